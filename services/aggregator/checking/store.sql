-- tune: For the rest of the transaction: plans that know the dates, memory for their sums, and at most $1 workers beside.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
    set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', $1, true);

-- stored_days: Every local day that has counts, or something to be counted beside clicks. The latter, of which there may be
-- very much, is asked for day by day.
SELECT day FROM advocate_day UNION SELECT day FROM link_day UNION
SELECT one::date
FROM (
    SELECT least(
        (SELECT min(day) FROM credit), (SELECT min(click_day) FROM credit), (SELECT min(local_day) FROM activity),
        (SELECT min(local_day) FROM conversion)
    ) AS first, greatest(
        (SELECT max(day) FROM credit), (SELECT max(click_day) FROM credit), (SELECT max(local_day) FROM activity),
        (SELECT max(local_day) FROM conversion)
    ) AS last
) AS ends, generate_series(first::timestamp, last, '1 day') AS days (one)
WHERE EXISTS (SELECT FROM credit WHERE day = one::date) OR EXISTS (SELECT FROM credit WHERE click_day = one::date)
    OR EXISTS (SELECT FROM activity WHERE local_day = one::date)
    OR EXISTS (SELECT FROM conversion WHERE local_day = one::date);

-- stored_quarters: Every beginning of a quarter that has counts.
SELECT DISTINCT quarter_start FROM advocate_quarter;

-- raw_dates: Every UTC date that has a table of raw clicks, and how large that is.
SELECT to_date(right(relname, 8), 'YYYYMMDD') AS occurred_on, pg_relation_size(oid) AS bytes
FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'click'::regclass;

-- compare_day: The counts of the local day $1 beside what its raw clicks add up to, which lie in the UTC dates from $2 to
-- $3, and its credits by both views and activities: how much was looked at, and with it $4 rows of each table that differ.
-- A row of zeros is as good as none, and a key that has something behind it in several partitions may have any's number.
WITH clicked AS MATERIALIZED (
    SELECT advocate_id, link_id, partition, visitor, count(*) AS raw,
        count(*) FILTER (WHERE verdict = 'counted') AS counted,
        count(*) FILTER (WHERE verdict = 'not_counted') AS not_counted,
        count(*) FILTER (WHERE verdict = 'review') AS review
    FROM click WHERE occurred_on BETWEEN $2 AND $3 AND local_day = $1
    GROUP BY advocate_id, link_id, partition, visitor
), clicks AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, min(partition) AS lowest, max(partition) AS highest,
        ARRAY[
            sum(raw), sum(counted), sum(not_counted), sum(review), count(DISTINCT visitor) FILTER (WHERE counted > 0)
        ]::numeric[] AS numbers
    FROM clicked GROUP BY advocate_id
    UNION ALL
    SELECT 'link_day', link_id::text, min(partition), max(partition),
        ARRAY[
            sum(raw), sum(counted), sum(not_counted), sum(review), count(DISTINCT visitor) FILTER (WHERE counted > 0)
        ]::numeric[]
    FROM clicked GROUP BY link_id
), credited AS MATERIALIZED (
    SELECT advocate_id, link_id, partition, coalesce(sum(counted_millionths) FILTER (WHERE day = $1), 0) AS millionths,
        coalesce(sum(value_minor) FILTER (WHERE day = $1), 0) AS value,
        coalesce(sum(counted_millionths) FILTER (WHERE click_day = $1), 0) AS by_click_millionths,
        coalesce(sum(value_minor) FILTER (WHERE click_day = $1), 0) AS by_click_value
    FROM credit WHERE day = $1 OR click_day = $1 GROUP BY advocate_id, link_id, partition
), results AS (
    SELECT counts, key, min(partition) AS lowest, max(partition) AS highest,
        ARRAY[
            sum(millionths), sum(value), sum(by_click_millionths), sum(by_click_value), sum(shares), sum(sessions),
            sum(engagements)
        ]::numeric[] AS numbers
    FROM (
        SELECT 'advocate_day' AS counts, advocate_id AS key, partition, millionths, value, by_click_millionths,
            by_click_value, 0 AS shares, 0 AS sessions, 0 AS engagements
        FROM credited
        UNION ALL
        SELECT 'link_day', link_id::text, partition, millionths, value, by_click_millionths, by_click_value, 0, 0, 0
        FROM credited
        UNION ALL
        SELECT 'advocate_day', advocate_id, partition, 0, 0, 0, 0, count(*) FILTER (WHERE kind = 'share'),
            count(*) FILTER (WHERE kind = 'session'), count(*) FILTER (WHERE kind = 'engagement')
        FROM activity WHERE local_day = $1 GROUP BY advocate_id, partition
    ) AS result GROUP BY counts, key
), expected AS (
    SELECT counts, key, least(clicks.lowest, results.lowest) AS lowest,
        greatest(clicks.highest, results.highest) AS highest,
        coalesce(clicks.numbers, '{0,0,0,0,0}') || coalesce(results.numbers, '{0,0,0,0,0,0,0}') AS expected
    FROM clicks FULL JOIN results USING (counts, key)
), stored AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, partition, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, shares, sessions, engagements
    ] AS stored
    FROM advocate_day WHERE day = $1
    UNION ALL
    SELECT 'link_day', link_id::text, partition, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, 0, 0, 0
    ]
    FROM link_day WHERE day = $1
), compared AS (
    SELECT * FROM stored FULL JOIN expected USING (counts, key)
), differing AS (
    SELECT *, count(*) OVER (PARTITION BY counts) AS total,
        row_number() OVER (PARTITION BY counts ORDER BY key) AS place
    FROM compared
    WHERE partition NOT BETWEEN lowest AND highest
        OR coalesce(stored, '{0,0,0,0,0,0,0,0,0,0,0,0}') <> coalesce(expected, '{0,0,0,0,0,0,0,0,0,0,0,0}')
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

-- wrong_conversions: How many conversions of the local day $1 have other credits than their state says, and the first $2.
-- One that is credited has a whole of credits under each model, and its value; any other has none. What is marked is about
-- to be attributed anew, and is left out.
SELECT count(*) AS total, (array_agg(conversion_id ORDER BY conversion_id))[:coalesce($2, count(*)::integer)] AS first
FROM (
    SELECT conversion_id FROM (
        SELECT conversion_id, state, coalesce(credited_value_minor, 0) AS value FROM conversion WHERE local_day = $1
    ) AS stored
    FULL JOIN (
        SELECT conversion_id, sum(value_minor) AS value, ARRAY[
            sum(counted_millionths), sum(last), sum(first), sum(linear), sum("position"), sum(time_decay)
        ] AS sums
        FROM credit WHERE day = $1 GROUP BY conversion_id
    ) AS credited USING (conversion_id)
    WHERE CASE
        WHEN state = 'credited' THEN (sums, credited.value)
            IS DISTINCT FROM (array_fill(1000000::bigint, ARRAY[6]), stored.value::numeric)
        ELSE sums IS NOT NULL
    END
) AS wrong
WHERE NOT EXISTS (
    SELECT FROM conversion_mark AS mark WHERE mark.conversion_id = wrong.conversion_id AND mark.set_aside_at IS NULL
);

-- compare_quarter: The same for the quarter that begins on $1, beside the sums of its days from there to $2, to which is
-- added what these are off by: of the advocates $4, in the partitions $5, by the numbers $6 to $17. $3 rows at most.
WITH expected AS (
    SELECT advocate_id, coalesce(min(off_partition), min(partition)) AS lowest,
        coalesce(max(off_partition), max(partition)) AS highest,
        ARRAY[
            sum(raw), sum(counted), sum(not_counted), sum(review), sum(visitors), sum(millionths), sum(value),
            sum(by_click_millionths), sum(by_click_value), sum(shares), sum(sessions), sum(engagements)
        ]::numeric[] AS expected
    FROM (
        SELECT advocate_id, NULL::integer AS off_partition, partition, raw_clicks AS raw, counted_clicks AS counted,
            not_counted_clicks AS not_counted, review_clicks AS review, visitors, credited_millionths AS millionths,
            value_minor AS value, by_click_millionths, by_click_value_minor AS by_click_value, shares, sessions,
            engagements
        FROM advocate_day WHERE day BETWEEN $1 AND $2
        UNION ALL
        SELECT advocate_id, partition, NULL, raw, counted, not_counted, review, visitors, millionths, value,
            by_click_millionths, by_click_value, shares, sessions, engagements
        FROM unnest(
            $4::text[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
            $11::bigint[], $12::numeric[], $13::bigint[], $14::numeric[], $15::bigint[], $16::bigint[], $17::bigint[]
        ) AS off (
            advocate_id, partition, raw, counted, not_counted, review, visitors, millionths, value, by_click_millionths,
            by_click_value, shares, sessions, engagements
        )
    ) AS summed GROUP BY advocate_id
), stored AS (
    SELECT advocate_id, partition, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, shares, sessions, engagements
    ] AS stored
    FROM advocate_quarter WHERE quarter_start = $1
), compared AS (
    SELECT * FROM stored FULL JOIN expected USING (advocate_id)
), differing AS (
    SELECT 'advocate_quarter' AS counts, advocate_id AS key, compared.*, count(*) OVER () AS total,
        row_number() OVER (ORDER BY advocate_id) AS place
    FROM compared
    WHERE partition NOT BETWEEN lowest AND highest
        OR coalesce(stored, '{0,0,0,0,0,0,0,0,0,0,0,0}') <> coalesce(expected, '{0,0,0,0,0,0,0,0,0,0,0,0}')
)
SELECT looked_at.*, differing.*
FROM (SELECT 0::bigint AS clicks, (SELECT count(*) FROM compared) AS rows) AS looked_at
LEFT JOIN differing ON place <= coalesce($3::bigint, place)
ORDER BY place;
