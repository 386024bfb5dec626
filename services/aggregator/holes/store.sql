-- found: Holes that are open ($1 true), closed (false) or either (null), in order.
SELECT journal, stream, partition, seq_from, seq_to, kind, captured_after, opened_at, closed_at, closed_why
FROM hole WHERE $1::boolean IS NULL OR (closed_at IS NULL) = $1
ORDER BY journal, stream, partition, seq_from LIMIT $2;

-- counted: How many there are.
SELECT count(*) FROM hole WHERE $1::boolean IS NULL OR (closed_at IS NULL) = $1;

-- holding: The hole that holds a seq, if any does. No two overlap: it is the one that begins last before it.
SELECT * FROM (
    SELECT journal, stream, partition, seq_from, seq_to, kind, captured_after, opened_at, closed_at, closed_why
    FROM hole WHERE journal = $1 AND stream = $2 AND partition = $3 AND seq_from <= $4
    ORDER BY seq_from DESC LIMIT 1
) AS last_before WHERE seq_to >= $4;

-- close: Give a hole up, and say why.
UPDATE hole SET closed_at = now(), closed_why = $5
WHERE journal = $1 AND stream = $2 AND partition = $3 AND seq_from = $4 AND closed_at IS NULL;

-- close_missing: Give up whatever is missing of a journal, and say why; how many holes that were.
WITH closed AS (
    UPDATE hole SET closed_at = now(), closed_why = $2
    WHERE journal = $1 AND kind = 'missing' AND closed_at IS NULL RETURNING seq_from
) SELECT count(*) FROM closed;
