-- lock_partitions: Let one maker of partitions in at a time, and see what the one before made.
LOCK TABLE log_partition IN SHARE ROW EXCLUSIVE MODE;

-- create_partition: Make one partition of a stream, once.
INSERT INTO log_partition (stream, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- count_partitions: How many partitions a stream has.
SELECT count(*) FROM log_partition WHERE stream = $1;

-- take_offsets: Hand out the next offsets of a partition. The row's lock makes commit order offset order.
UPDATE log_partition SET next_offset = next_offset + $3
WHERE stream = $1 AND partition = $2
RETURNING next_offset - $3;

-- insert_records: Append records at consecutive offsets.
INSERT INTO log_record (stream, partition, log_offset, journal, seq, value)
SELECT $1, $2, $3 + r.ordinal - 1, r.journal, r.seq, r.value
FROM unnest($4::bytea[], $5::bigint[], $6::bytea[]) WITH ORDINALITY AS r (journal, seq, value, ordinal);

-- note_seqs: Remember the highest seq of each journal in the partition, and say what was held before.
WITH held AS (
    SELECT journal, last_seq FROM log_journal WHERE journal = ANY($3::bytea[]) AND stream = $1 AND partition = $2
)
INSERT INTO log_journal AS known (journal, stream, partition, last_seq)
SELECT r.journal, $1, $2, max(r.seq)
FROM unnest($3::bytea[], $4::bigint[]) AS r (journal, seq) GROUP BY r.journal ORDER BY r.journal
ON CONFLICT ON CONSTRAINT log_journal_pkey DO UPDATE SET last_seq = greatest(known.last_seq, excluded.last_seq)
RETURNING known.journal, coalesce((SELECT held.last_seq FROM held WHERE held.journal = known.journal), 0) AS held;

-- last_seq: The highest seq of a journal in a partition.
SELECT last_seq FROM log_journal WHERE journal = $1 AND stream = $2 AND partition = $3;

-- bounds: The first offset that is kept and the next that will be handed out.
SELECT first_offset, next_offset FROM log_partition WHERE stream = $1 AND partition = $2;

-- all_bounds: The same of every partition of a stream.
SELECT partition, first_offset, next_offset FROM log_partition WHERE stream = $1;

-- read_records: Records from an offset on, in order.
SELECT log_offset, journal, seq, value, logged_at FROM log_record
WHERE stream = $1 AND partition = $2 AND log_offset >= $3
ORDER BY log_offset LIMIT $4;

-- end_offsets: Where each partition of a stream ends.
SELECT partition, next_offset FROM log_partition WHERE stream = $1;

-- all_ends: The same of every stream.
SELECT stream, partition, next_offset FROM log_partition;

-- expire: Let go of the records of a partition that were applied and are older than the retention, a few at a time.
-- They go from the front only: an append that waited for its turn may have begun before the one in front of it.
WITH front AS (
    SELECT log_offset, logged_at FROM log_record
    WHERE stream = $1 AND partition = $2 AND log_offset < $3
    ORDER BY log_offset LIMIT $5
), kept AS (
    SELECT coalesce(min(log_offset) FILTER (WHERE logged_at >= now() - $4::interval), max(log_offset) + 1) AS first_offset
    FROM front
), gone AS (
    DELETE FROM log_record
    WHERE stream = $1 AND partition = $2 AND log_offset < (SELECT first_offset FROM kept)
    RETURNING log_offset
)
UPDATE log_partition SET first_offset = (SELECT first_offset FROM kept)
WHERE stream = $1 AND partition = $2 AND EXISTS (SELECT FROM gone)
RETURNING (SELECT count(*) FROM gone);
