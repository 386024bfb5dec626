-- drift: Guarantee 5: counts are GROUP BY raw, verdicts add up to raw, a quarter is the sum of its days. Nothing comes out.
WITH judged AS (
    SELECT *, date_trunc('quarter', local_day)::date AS quarter_start,
        (verdict = 'counted')::int AS counted, (verdict = 'not_counted')::int AS not_counted,
        (verdict = 'review')::int AS review
    FROM click
), expected AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, local_day AS start,
        count(*) AS raw, sum(counted) AS counted, sum(not_counted) AS not_counted, sum(review) AS review
    FROM judged GROUP BY 2, 3
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start, count(*), sum(counted), sum(not_counted), sum(review)
    FROM judged GROUP BY 2, 3
    UNION ALL
    SELECT 'link_day', link_id::text, local_day, count(*), sum(counted), sum(not_counted), sum(review)
    FROM judged GROUP BY 2, 3
), stored AS (
    SELECT 'advocate_day' AS counts, advocate_id AS key, day AS start,
        raw_clicks AS raw, counted_clicks AS counted, not_counted_clicks AS not_counted, review_clicks AS review
    FROM advocate_day
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks
    FROM advocate_quarter
    UNION ALL
    SELECT 'link_day', link_id::text, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks
    FROM link_day
)
SELECT counts, key, start, stored::text, expected::text
FROM stored FULL JOIN expected USING (counts, key, start)
WHERE (stored.raw, stored.counted, stored.not_counted, stored.review)
    IS DISTINCT FROM (expected.raw, expected.counted, expected.not_counted, expected.review);

-- raw: Every raw click by its name, in canonical order.
SELECT journal, partition, seq FROM click ORDER BY partition, log_offset;
