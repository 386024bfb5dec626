-- all_counted: Whether heartbeats of after the last click are applied in every partition.
SELECT (SELECT min(captured_at) FROM watermark) > (SELECT max(captured_at) FROM click);

-- visible_after: Milliseconds from capture to commit of the latest clicks.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99,
    max(ms) AS max
FROM (
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - captured_at)::double precision * 1000 AS ms
    FROM click ORDER BY captured_at DESC LIMIT $1
) AS latest;
