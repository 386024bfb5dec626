-- found: Dead letters that fit and are numbered from $5 to before $6, the newest first, with what became of each.
-- No two holes overlap, so the one that begins last before a seq is the only one that can hold it.
SELECT dead.dead_letter_id, dead.stream, dead.partition, dead.log_offset, dead.journal, dead.seq, dead.reason,
    dead.detail, dead.logged_at, dead.dead_at, became.state, dead.closed_at, dead.closed_why, dead.relayed_at,
    CASE WHEN $8::boolean THEN dead.value END AS value,
    CASE WHEN $8::boolean THEN dead.replacement END AS replacement
FROM dead_letter AS dead
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN dead.closed_as IS NOT NULL THEN dead.closed_as
        WHEN dead.journal IS NULL THEN 'open'
        WHEN (
            SELECT hole.kind = 'dead_letter' AND dead.seq <= hole.seq_to FROM hole
            WHERE hole.journal = dead.journal AND hole.stream = dead.stream AND hole.partition = dead.partition
                AND hole.seq_from <= dead.seq
            ORDER BY hole.seq_from DESC LIMIT 1
        ) THEN 'open'
        ELSE 'filled'
    END AS state
) AS became
WHERE ($1::text IS NULL OR dead.stream = $1)
    AND ($2::integer IS NULL OR dead.partition = $2)
    AND ($3::text IS NULL OR dead.reason = $3)
    AND ($4::text IS NULL OR became.state = $4)
    AND dead.dead_letter_id >= $5::bigint AND dead.dead_letter_id < $6::bigint
ORDER BY dead.dead_letter_id DESC
LIMIT $7;

-- counted: How many dead letters fit.
SELECT count(*) FROM dead_letter AS dead
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN dead.closed_as IS NOT NULL THEN dead.closed_as
        WHEN dead.journal IS NULL THEN 'open'
        WHEN (
            SELECT hole.kind = 'dead_letter' AND dead.seq <= hole.seq_to FROM hole
            WHERE hole.journal = dead.journal AND hole.stream = dead.stream AND hole.partition = dead.partition
                AND hole.seq_from <= dead.seq
            ORDER BY hole.seq_from DESC LIMIT 1
        ) THEN 'open'
        ELSE 'filled'
    END AS state
) AS became
WHERE ($1::text IS NULL OR dead.stream = $1)
    AND ($2::integer IS NULL OR dead.partition = $2)
    AND ($3::text IS NULL OR dead.reason = $3)
    AND ($4::text IS NULL OR became.state = $4);

-- hold: Nobody else closes or relays a dead letter until this transaction ends.
SELECT FROM dead_letter WHERE dead_letter_id = $1 FOR UPDATE;

-- close: What a person made of a dead letter.
UPDATE dead_letter SET closed_as = $2, closed_at = now(), closed_why = $3, replacement = $4
WHERE dead_letter_id = $1 AND closed_as IS NULL;

-- unrelayed: The oldest dead letters that the topic has not had yet; held until the transaction ends.
SELECT dead_letter_id, stream, partition, log_offset, journal, seq, value, reason, detail, logged_at
FROM dead_letter WHERE relayed_at IS NULL
ORDER BY dead_at, dead_letter_id
LIMIT $1 FOR UPDATE SKIP LOCKED;

-- mark_relayed: The topic has them.
UPDATE dead_letter SET relayed_at = now() WHERE dead_letter_id = ANY($1::bigint[]);
