-- take_activities: Store activities that nobody has reported before, and tell which these are. One that another
-- transaction is about to store is waited for.
INSERT INTO activity (
    source, external_id, kind, journal, partition, seq, occurred_at, local_day, advocate_id, channel, content_id, category
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bytea[], $5::integer[], $6::bigint[], $7::timestamptz[], $8::date[],
    $9::text[], $10::text[], $11::text[], $12::text[]
)
ON CONFLICT ON CONSTRAINT activity_pkey DO NOTHING
RETURNING source, external_id;
