-- drift: Guarantee 5: counts are GROUP BY raw, credits and activities; verdicts add up to raw, a quarter is the sum of its
-- days, the first counted click of a visitor, link and day holds their slot, and what is credited is so wholly. Nothing
-- comes out. A row of zeros, as is left of what was taken away, is as good as none.
WITH judged AS (
    SELECT *, date_trunc('quarter', local_day)::date AS quarter_start,
        (visitor || local_day) COLLATE "C" AS visitor_day, -- of one advocate
        (verdict = 'counted')::int AS counted, (verdict = 'not_counted')::int AS not_counted,
        (verdict = 'review')::int AS review
    FROM click
), result AS (
    SELECT advocate_id, link_id, day, counted_millionths AS credited, value_minor AS value, 0 AS by_click,
        0 AS by_click_value, NULL AS kind
    FROM credit
    UNION ALL
    SELECT advocate_id, link_id, click_day, 0, 0, counted_millionths, value_minor, NULL FROM credit
    UNION ALL
    SELECT advocate_id, NULL, local_day, 0, 0, 0, 0, kind FROM activity
), part AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, day AS start, result.* FROM result
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, date_trunc('quarter', day)::date, result.* FROM result
    UNION ALL
    SELECT 'link_day', link_id::text, day, result.* FROM result WHERE link_id IS NOT NULL
), results AS (
    SELECT counts, key, start, ARRAY[
        sum(credited), sum(value), sum(by_click), sum(by_click_value), count(*) FILTER (WHERE kind = 'share'),
        count(*) FILTER (WHERE kind = 'session'), count(*) FILTER (WHERE kind = 'engagement')
    ]::numeric[] AS numbers
    FROM part GROUP BY 1, 2, 3
), clicks AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, local_day AS start,
        count(*) AS raw, sum(counted) AS counted, sum(not_counted) AS not_counted, sum(review) AS review,
        count(DISTINCT visitor_day) FILTER (WHERE verdict = 'counted') AS visitors
    FROM judged GROUP BY 2, 3
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start, count(*), sum(counted), sum(not_counted), sum(review),
        count(DISTINCT visitor_day) FILTER (WHERE verdict = 'counted')
    FROM judged GROUP BY 2, 3
    UNION ALL
    SELECT 'link_day', link_id::text, local_day, count(*), sum(counted), sum(not_counted), sum(review),
        count(DISTINCT visitor_day) FILTER (WHERE verdict = 'counted')
    FROM judged GROUP BY 2, 3
), expected AS (
    SELECT counts, key, start,
        CASE WHEN raw IS NULL THEN '{0,0,0,0,0}' ELSE ARRAY[raw, counted, not_counted, review, visitors]::numeric[] END
        || coalesce(results.numbers, '{0,0,0,0,0,0,0}') AS numbers
    FROM clicks FULL JOIN results USING (counts, key, start)
), stored AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, day AS start, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, shares, sessions, engagements
    ] AS numbers
    FROM advocate_day
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, shares, sessions, engagements
    ]
    FROM advocate_quarter
    UNION ALL
    SELECT 'link_day', link_id::text, day, ARRAY[
        raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, 0, 0, 0
    ]
    FROM link_day
)
SELECT counts, key, start, stored.numbers::text, expected.numbers::text
FROM stored FULL JOIN expected USING (counts, key, start)
WHERE coalesce(stored.numbers, '{0,0,0,0,0,0,0,0,0,0,0,0}') <> coalesce(expected.numbers, '{0,0,0,0,0,0,0,0,0,0,0,0}')
UNION ALL
SELECT 'slot', link_id::text, day, held::text, first::text
FROM slot AS held
FULL JOIN (
    SELECT DISTINCT ON (day, advocate_id, visitor, link_id)
        local_day AS day, advocate_id, visitor, link_id, partition, log_offset, journal, seq
    FROM click WHERE verdict = 'counted' AND visitor IS NOT NULL
    ORDER BY day, advocate_id, visitor, link_id, partition, log_offset, journal, seq
) AS first USING (day, advocate_id, visitor, link_id)
WHERE (held.partition, held.log_offset, held.journal, held.seq)
    IS DISTINCT FROM (first.partition, first.log_offset, first.journal, first.seq)
UNION ALL
SELECT 'conversion', conversion_id::text, local_day, state, sums::text
FROM conversion
FULL JOIN (
    SELECT conversion_id, ARRAY[
        sum(counted_millionths), sum(last), sum(first), sum(linear), sum("position"), sum(time_decay)
    ] AS sums, sum(value_minor) AS value, min(day) AS first_day, max(day) AS last_day
    FROM credit GROUP BY conversion_id
) AS credited USING (conversion_id)
WHERE CASE
    WHEN state = 'credited' THEN (sums, value, first_day, last_day) IS DISTINCT FROM
        (array_fill(1000000::bigint, ARRAY[6]), coalesce(credited_value_minor, 0)::numeric, local_day, local_day)
    ELSE sums IS NOT NULL
END;

-- raw: Every raw click by its name, in canonical order.
SELECT journal, partition, seq FROM click ORDER BY partition, log_offset;
