-- tune: For the rest of the transaction: plans that know the dates, memory for their sums, and at most $1 workers beside.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
    set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', $1, true);

-- stored_days: Every local day that has counts.
SELECT day FROM advocate_day UNION SELECT day FROM link_day;

-- stored_quarters: Every beginning of a quarter that has counts.
SELECT DISTINCT quarter_start FROM advocate_quarter;

-- raw_dates: Every UTC date that has a table of raw clicks, and how large that is.
SELECT to_date(right(relname, 8), 'YYYYMMDD') AS occurred_on, pg_relation_size(oid) AS bytes
FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'click'::regclass;

-- compare_day: The counts of the local day $1 beside what its raw clicks add up to, which lie in the UTC dates from $2 to
-- $3: how much was looked at, and with it $4 rows of each table that differ. A row of zeros is as good as none, and a key
-- whose clicks come through several partitions may have the number of any.
WITH clicked AS MATERIALIZED (
    SELECT advocate_id, link_id, partition, visitor, count(*) AS raw,
        count(*) FILTER (WHERE verdict = 'counted') AS counted,
        count(*) FILTER (WHERE verdict = 'not_counted') AS not_counted,
        count(*) FILTER (WHERE verdict = 'review') AS review
    FROM click WHERE occurred_on BETWEEN $2 AND $3 AND local_day = $1
    GROUP BY advocate_id, link_id, partition, visitor
), expected AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, min(partition) AS lowest, max(partition) AS highest,
        sum(raw)::bigint AS raw, sum(counted)::bigint AS counted, sum(not_counted)::bigint AS not_counted,
        sum(review)::bigint AS review, count(DISTINCT visitor) FILTER (WHERE counted > 0) AS visitors
    FROM clicked GROUP BY advocate_id
    UNION ALL
    SELECT 'link_day', link_id::text, min(partition), max(partition), sum(raw)::bigint, sum(counted)::bigint,
        sum(not_counted)::bigint, sum(review)::bigint, count(DISTINCT visitor) FILTER (WHERE counted > 0)
    FROM clicked GROUP BY link_id
), stored AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, partition, raw_clicks AS stored_raw,
        counted_clicks AS stored_counted, not_counted_clicks AS stored_not_counted, review_clicks AS stored_review,
        visitors AS stored_visitors
    FROM advocate_day WHERE day = $1
    UNION ALL
    SELECT 'link_day', link_id::text, partition, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors
    FROM link_day WHERE day = $1
), compared AS (
    SELECT * FROM stored FULL JOIN expected USING (counts, key)
), differing AS (
    SELECT *, count(*) OVER (PARTITION BY counts) AS total,
        row_number() OVER (PARTITION BY counts ORDER BY key) AS place
    FROM compared
    WHERE partition NOT BETWEEN lowest AND highest
        OR (coalesce(stored_raw, 0), coalesce(stored_counted, 0), coalesce(stored_not_counted, 0),
            coalesce(stored_review, 0), coalesce(stored_visitors, 0))
        <> (coalesce(raw, 0), coalesce(counted, 0), coalesce(not_counted, 0), coalesce(review, 0),
            coalesce(visitors, 0))
)
SELECT looked_at.*, differing.*
FROM (
    SELECT (SELECT coalesce(sum(raw), 0)::bigint FROM clicked) AS clicks, (SELECT count(*) FROM compared) AS rows
) AS looked_at
LEFT JOIN differing ON place <= coalesce($4::bigint, place)
ORDER BY counts, place;

-- wrong_slots: How many slots of the local day $1 are not held by their first counted click, whose raw clicks lie in the
-- UTC dates from $2 to $3: held by another, by none, or without such a click.
SELECT count(*) FROM (SELECT * FROM slot WHERE day = $1) AS held
FULL JOIN (
    SELECT DISTINCT ON (advocate_id, visitor, link_id)
        advocate_id, visitor, link_id, partition, log_offset, journal, seq
    FROM click
    WHERE occurred_on BETWEEN $2 AND $3 AND local_day = $1 AND verdict = 'counted' AND visitor IS NOT NULL
    ORDER BY advocate_id, visitor, link_id, partition, log_offset, journal, seq
) AS first USING (advocate_id, visitor, link_id)
WHERE (held.partition, held.log_offset, held.journal, held.seq)
    IS DISTINCT FROM (first.partition, first.log_offset, first.journal, first.seq);

-- compare_quarter: The same for the quarter that begins on $1, beside the sums of its days from there to $2, to which is
-- added what these are off by: of the advocates $4, in the partitions $5, by the numbers $6 to $10. $3 rows at most.
WITH summed AS (
    SELECT advocate_id, min(partition) AS lowest, max(partition) AS highest, sum(raw_clicks)::bigint AS raw,
        sum(counted_clicks)::bigint AS counted, sum(not_counted_clicks)::bigint AS not_counted,
        sum(review_clicks)::bigint AS review, sum(visitors)::bigint AS visitors
    FROM advocate_day WHERE day BETWEEN $1 AND $2 GROUP BY advocate_id
), expected AS (
    SELECT advocate_id, coalesce(off.partition, lowest) AS lowest, coalesce(off.partition, highest) AS highest,
        coalesce(summed.raw, 0) + coalesce(off.raw, 0) AS raw,
        coalesce(summed.counted, 0) + coalesce(off.counted, 0) AS counted,
        coalesce(summed.not_counted, 0) + coalesce(off.not_counted, 0) AS not_counted,
        coalesce(summed.review, 0) + coalesce(off.review, 0) AS review,
        coalesce(summed.visitors, 0) + coalesce(off.visitors, 0) AS visitors
    FROM summed
    FULL JOIN unnest(
        $4::text[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]
    ) AS off (advocate_id, partition, raw, counted, not_counted, review, visitors) USING (advocate_id)
), stored AS (
    SELECT advocate_id, partition, raw_clicks AS stored_raw, counted_clicks AS stored_counted,
        not_counted_clicks AS stored_not_counted, review_clicks AS stored_review, visitor_days AS stored_visitors
    FROM advocate_quarter WHERE quarter_start = $1
), compared AS (
    SELECT * FROM stored FULL JOIN expected USING (advocate_id)
), differing AS (
    SELECT 'advocate_quarter' AS counts, advocate_id AS key, compared.*, count(*) OVER () AS total,
        row_number() OVER (ORDER BY advocate_id) AS place
    FROM compared
    WHERE partition NOT BETWEEN lowest AND highest
        OR (coalesce(stored_raw, 0), coalesce(stored_counted, 0), coalesce(stored_not_counted, 0),
            coalesce(stored_review, 0), coalesce(stored_visitors, 0))
        <> (coalesce(raw, 0), coalesce(counted, 0), coalesce(not_counted, 0), coalesce(review, 0),
            coalesce(visitors, 0))
)
SELECT looked_at.*, differing.*
FROM (SELECT 0::bigint AS clicks, (SELECT count(*) FROM compared) AS rows) AS looked_at
LEFT JOIN differing ON place <= coalesce($3::bigint, place)
ORDER BY place;
