-- freshness: As of when this transaction reads, and whether any journal is known.
SELECT now() AS as_of, EXISTS (SELECT FROM watermark) AS any_known;

-- unattributed: When the first was captured of what is applied and waits for the attributor.
SELECT min(captured_at) FROM conversion_mark;

-- known: What is known of journals after $1 in their order, or of $2 alone; where $3, only of those that may hold
-- something back. Journals that are sealed in all they were heard in become many: they are left out first.
-- A partition of which nothing could be read yet (1970) is known by its hole alone, until that is closed.
WITH by_stream AS (
    SELECT journal, stream, max(captured_at) AS last_captured_at, bool_and(sealed) AS sealed,
        min(captured_at) FILTER (WHERE NOT sealed AND captured_at > 'epoch') AS applied_up_to,
        min(first_captured_at) FILTER (WHERE sealed OR captured_at > 'epoch') AS known_since,
        count(*) FILTER (WHERE sealed OR captured_at > 'epoch') AS heard
    FROM watermark WHERE journal > $1 AND ($2::bytea IS NULL OR journal = $2) AND (NOT $3 OR journal IN (
        SELECT journal FROM watermark GROUP BY journal, stream
        HAVING count(*) FILTER (WHERE sealed) < (
            SELECT count(*) FROM partition_offset WHERE partition_offset.stream = watermark.stream
        )
        UNION ALL SELECT journal FROM hole WHERE closed_at IS NULL
    ))
    GROUP BY journal, stream
), place AS (
    SELECT stream, count(*) AS partitions FROM partition_offset GROUP BY stream
), heard AS (
    SELECT journal, nullif(max(last_captured_at), 'epoch') AS last_captured_at, bool_and(sealed) AS sealed,
        min(applied_up_to) AS applied_up_to,
        min(known_since) FILTER (WHERE heard < partitions) AS unheard_after,
        sum(greatest(partitions - heard, 0))::bigint AS unheard
    FROM by_stream JOIN place USING (stream) GROUP BY journal
), missing AS (
    SELECT journal, min(captured_after) AS missing_after, sum(seq_to - seq_from + 1)::bigint AS missing_seqs
    FROM hole WHERE closed_at IS NULL GROUP BY journal
)
SELECT heard.journal, last_captured_at, applied_up_to, sealed, unheard, unheard_after,
    coalesce(missing_seqs, 0) AS missing_seqs, missing_after, retired_at, why AS retired_why,
    EXISTS (SELECT FROM click_import WHERE click_import.journal = heard.journal) AS is_import
FROM heard LEFT JOIN missing USING (journal) LEFT JOIN retired_journal USING (journal)
WHERE NOT $3 OR NOT sealed OR unheard > 0 OR missing_after IS NOT NULL
ORDER BY heard.journal LIMIT $4;
