-- drift: Guarantee 5: counts are GROUP BY raw, verdicts add up to raw, a quarter is the sum of its days, and the first
-- counted click of a visitor, link and day holds their slot. Nothing comes out.
WITH judged AS (
    SELECT *, date_trunc('quarter', local_day)::date AS quarter_start,
        (visitor || local_day) COLLATE "C" AS visitor_day, -- of one advocate
        (verdict = 'counted')::int AS counted, (verdict = 'not_counted')::int AS not_counted,
        (verdict = 'review')::int AS review
    FROM click
), expected AS (
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
), stored AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, day AS start,
        raw_clicks AS raw, counted_clicks AS counted, not_counted_clicks AS not_counted, review_clicks AS review,
        visitors
    FROM advocate_day
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks,
        review_clicks, visitor_days
    FROM advocate_quarter
    UNION ALL
    SELECT 'link_day', link_id::text, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors
    FROM link_day
)
SELECT counts, key, start, stored::text, expected::text
FROM stored FULL JOIN expected USING (counts, key, start)
WHERE (stored.raw, stored.counted, stored.not_counted, stored.review, stored.visitors)
    IS DISTINCT FROM (expected.raw, expected.counted, expected.not_counted, expected.review, expected.visitors)
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
    IS DISTINCT FROM (first.partition, first.log_offset, first.journal, first.seq);

-- raw: Every raw click by its name, in canonical order.
SELECT journal, partition, seq FROM click ORDER BY partition, log_offset;
