-- clicks: Every raw click by its name, with the request that it is of.
SELECT journal, partition, seq, substring(user_agent FROM 'chaos/(\S+)') AS request FROM click;

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
