-- hold: Every partition belongs to somebody who is alive and applies nothing.
WITH idle AS (
    INSERT INTO aggregator_lease (owner, expires_at) VALUES ('nobody', now() + interval '1 hour')
    ON CONFLICT ON CONSTRAINT aggregator_lease_pkey DO UPDATE SET expires_at = excluded.expires_at
    RETURNING owner
)
INSERT INTO partition_offset (stream, partition, owner)
SELECT stream, n, idle.owner
FROM unnest(ARRAY['clicks', 'conversions', 'activities']) AS stream, generate_series(0, 11) AS n, idle
ON CONFLICT ON CONSTRAINT partition_offset_pkey DO UPDATE SET owner = excluded.owner;

-- let_go: Whoever is alive may have them.
DELETE FROM aggregator_lease WHERE owner = 'nobody';
