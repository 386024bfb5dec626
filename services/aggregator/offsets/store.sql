-- standings: Where every partition stands, whose it is, why it is stopped, and how many seqs it misses.
SELECT place.stream, place.partition, place.next_offset, place.owner, place.stopped, place.stopped_detail,
    place.stopped_at, place.updated_at, lease.expires_at, coalesce(lease.expires_at > now(), false) AS lease_is_live,
    coalesce((
        SELECT sum(seq_to - seq_from + 1) FROM hole
        WHERE hole.stream = place.stream AND hole.partition = place.partition AND kind = 'missing'
            AND closed_at IS NULL
    ), 0)::bigint AS missing_seqs,
    coalesce((
        SELECT sum(seq_to - seq_from + 1) FROM hole
        WHERE hole.stream = place.stream AND hole.partition = place.partition AND kind = 'dead_letter'
            AND closed_at IS NULL
    ), 0)::bigint AS dead_letter_seqs
FROM partition_offset AS place
LEFT JOIN aggregator_lease AS lease USING (owner)
ORDER BY place.stream, place.partition;

-- hold: Where a partition stands, while nobody else moves it.
SELECT next_offset, stopped FROM partition_offset WHERE stream = $1 AND partition = $2 FOR UPDATE;

-- note_reset: Remember that a person moved a partition, and why.
INSERT INTO offset_reset (stream, partition, from_offset, to_offset, stopped, why) VALUES ($1, $2, $3, $4, $5, $6);

-- move: Put a partition where a person wants it; the epoch fences whoever is applying it.
UPDATE partition_offset SET next_offset = $3, owner_epoch = owner_epoch + 1, updated_at = now(),
    stopped = NULL, stopped_detail = NULL, stopped_at = NULL
WHERE stream = $1 AND partition = $2;
