-- how_many: How many journals are known.
SELECT count(DISTINCT journal) FROM watermark;

-- seqs: The highest seq applied of journals, in each partition.
SELECT journal, stream, partition, seq FROM watermark WHERE journal = ANY($1::bytea[])
ORDER BY journal, stream, partition;

-- retire: A person declared a journal lost. One whose clock runs ahead is retired from its own last instant on.
INSERT INTO retired_journal AS known (journal, why, retired_at)
VALUES ($1, $2, greatest(now(), $3::timestamptz))
ON CONFLICT ON CONSTRAINT retired_journal_pkey DO UPDATE SET why = excluded.why, retired_at = excluded.retired_at;

-- instant: As of when this transaction reads.
SELECT now();
