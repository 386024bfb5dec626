-- relations: Tables, partitions, indexes, sequences and views, with their options, owners and grants.
SELECT relname, relkind, relpersistence, reloptions, pg_get_partkeydef(oid), relrowsecurity,
    pg_get_userbyid(relowner), relacl::text, obj_description(oid)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^schema_migration' ORDER BY relname;

-- columns: Columns with types, defaults and collations, in their order.
SELECT relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage,
    attcompression, attcollation::regcollation::text, pg_get_expr(adbin, adrelid), attacl::text
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND relname !~ '^schema_migration' AND attnum > 0 ORDER BY relname, attnum;

-- constraints: Constraints with their definitions.
SELECT conrelid::regclass::text, conname, contype, convalidated, condeferrable, condeferred, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'schema_migration'
ORDER BY conrelid::regclass::text, conname;

-- indexes: Indexes with their definitions.
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'schema_migration' ORDER BY tablename, indexname;

-- functions: Functions with their bodies.
SELECT proname, pg_get_functiondef(oid), proacl::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace ORDER BY proname, pg_get_function_identity_arguments(oid);

-- triggers: Triggers with their definitions.
SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2;

-- sequences: Sequences, and where they stand.
SELECT sequencename, data_type::text, start_value, increment_by, cache_size, last_value FROM pg_sequences ORDER BY 1;

-- types: Enums with their labels, domains, ranges.
SELECT typname, typtype, format_type(typbasetype, typtypmod),
    (SELECT array_agg(enumlabel ORDER BY enumsortorder)::text FROM pg_enum WHERE enumtypid = pg_type.oid)
FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r') ORDER BY typname;

-- extensions: Extensions with their versions.
SELECT extname, extversion FROM pg_extension ORDER BY extname;

-- views: Views with their definitions.
SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY viewname;

-- schemas: Schemas that are nobody's but ours.
SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' ORDER BY nspname;
