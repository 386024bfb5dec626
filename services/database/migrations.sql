-- lock: Let one migrator in at a time; released with the session.
SELECT pg_advisory_lock(hashtext('advolink_migrate'));

-- make_table: Where the record of applied migrations is kept.
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    took interval NOT NULL
);

-- table_exists: Whether anything was ever migrated here.
SELECT to_regclass('schema_migration') IS NOT NULL;

-- applied: What was applied, in order.
SELECT version, name, sha256 FROM schema_migration ORDER BY version;

-- limit_locks: A migration that cannot have its locks soon gives up, rather than hold up everybody behind it.
SET LOCAL lock_timeout = '5s';

-- record: Remember one applied migration.
INSERT INTO schema_migration (version, name, sha256, took) VALUES ($1, $2, $3, $4);
