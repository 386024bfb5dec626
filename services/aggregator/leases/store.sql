-- enroll: Begin the offset rows of partitions that have none.
INSERT INTO partition_offset (stream, partition) SELECT * FROM unnest($1::text[], $2::integer[]) ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- renew: An aggregator is alive.
INSERT INTO aggregator_lease AS known (owner, expires_at) VALUES ($1, now() + $2::interval)
ON CONFLICT ON CONSTRAINT aggregator_lease_pkey DO UPDATE SET expires_at = excluded.expires_at;

-- forget: Those that have long been gone; one that is just coming back is left alone.
DELETE FROM aggregator_lease WHERE owner IN (
    SELECT owner FROM aggregator_lease WHERE expires_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED
);

-- alive: Who is alive.
SELECT owner FROM aggregator_lease WHERE expires_at > now();

-- holders: Who holds which partition; nobody where its owner is not alive.
SELECT stream, partition, aggregator_lease.owner AS holder, owner_epoch FROM partition_offset
LEFT JOIN aggregator_lease ON aggregator_lease.owner = partition_offset.owner AND expires_at > now();

-- give_back: Partitions that their owner lets go of. In order, as whoever holds several at once takes them.
WITH given AS (
    SELECT stream, partition FROM partition_offset JOIN unnest($2::text[], $3::integer[]) AS named (stream, partition)
    USING (stream, partition) WHERE owner = $1 ORDER BY stream, partition FOR UPDATE OF partition_offset
)
UPDATE partition_offset SET owner = NULL FROM given
WHERE partition_offset.stream = given.stream AND partition_offset.partition = given.partition;

-- give_back_all: All partitions of an owner that ends, in order likewise.
WITH given AS (
    SELECT stream, partition FROM partition_offset WHERE owner = $1 ORDER BY stream, partition FOR UPDATE
)
UPDATE partition_offset SET owner = NULL FROM given
WHERE partition_offset.stream = given.stream AND partition_offset.partition = given.partition;

-- resign: An aggregator ends.
DELETE FROM aggregator_lease WHERE owner = $1;
