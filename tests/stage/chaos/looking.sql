-- clicks: Every raw click by its name, with the request that it is of.
SELECT journal, partition, seq, substring(user_agent FROM 'chaos/(\S+)') AS request FROM click;

-- conversions: Every conversion that was received by its name, with the request that it is of: the second report of a sale
-- says twice as much as the first.
SELECT journal, partition, seq, 'v' || external_id || '.' || value_minor / 1000 AS request FROM conversion_event;

-- reversals: And every reversal.
SELECT journal, partition, seq, 'r' || external_id AS request FROM reversal;

-- holders: Keys that the first of their events does not stand for.
SELECT concat_ws('/', source, kind, external_id) || ' is held by ' || held::text || ', its first event is ' || first::text
FROM (
    SELECT DISTINCT ON (source, kind, external_id) source, kind, external_id, journal, partition, seq
    FROM conversion_event ORDER BY source, kind, external_id, via <> 'api', log_offset, journal, seq
) AS first FULL JOIN conversion AS held USING (source, kind, external_id)
WHERE (held.journal, held.partition, held.seq) IS DISTINCT FROM (first.journal, first.partition, first.seq);

-- marked: What is still to be attributed: marked, or not marked yet although its click is there.
SELECT 'conversion ' || conversion_id || ' is marked since ' || marked_at FROM conversion_mark
UNION ALL
SELECT 'conversion ' || conversion_id || ' does not know its click ' || click.seq || ' of ' || click.partition
FROM conversion_touch AS touch JOIN conversion USING (journal, partition, seq)
JOIN click ON (click.journal, click.partition, click.seq) = (click_journal, click_partition, click_seq)
WHERE clicked_at IS NULL;

-- holes: Seqs that are missing.
SELECT stream || '/' || partition || ' of ' || encode(journal, 'hex') || ' misses ' || seq_from || ' to ' || seq_to
    || ' (' || kind || ')'
FROM hole;

-- dead_letters: Records that could not be applied.
SELECT stream || '/' || partition || ' at ' || log_offset || ': ' || reason || ', ' || detail FROM dead_letter;

-- stopped: Partitions that stand still.
SELECT stream || '/' || partition || ': ' || stopped || ', ' || stopped_detail
FROM partition_offset WHERE stopped IS NOT NULL;

-- applied: Where every partition stands.
SELECT stream || '/' || partition, next_offset FROM partition_offset;
