-- stored_days: The first and the last local day that hold counts.
SELECT min(day) AS first, max(day) AS last FROM advocate_day;

-- advocate_stored_days: The same for one advocate.
SELECT min(day) AS first, max(day) AS last FROM advocate_day WHERE advocate_id = $1;

-- advocate_exists: Whether there is such an advocate.
SELECT EXISTS (SELECT FROM advocate WHERE advocate_id = $1)
    OR EXISTS (SELECT FROM advocate_day WHERE advocate_id = $1);

-- advocate_periods: One advocate's counts by the place of each period among its starts.
SELECT width_bucket(day, $4::date[]) AS place, sum(raw_clicks)::bigint AS raw_clicks,
    sum(counted_clicks)::bigint AS counted_clicks, sum(not_counted_clicks)::bigint AS not_counted_clicks,
    sum(review_clicks)::bigint AS review_clicks, sum(visitors)::bigint AS visitors,
    sum(credited_millionths)::bigint AS credited_millionths, sum(value_minor) AS value_minor,
    sum(by_click_millionths)::bigint AS by_click_millionths, sum(by_click_value_minor) AS by_click_value_minor,
    sum(shares)::bigint AS shares, sum(sessions)::bigint AS sessions, sum(engagements)::bigint AS engagements
FROM advocate_day WHERE advocate_id = $1 AND day BETWEEN $2 AND $3
GROUP BY place ORDER BY place;

-- advocate_quarters: One advocate's counts by quarter.
SELECT quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days AS visitors,
    credited_millionths, value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements
FROM advocate_quarter WHERE advocate_id = $1 ORDER BY quarter_start;

-- by_advocate: Every advocate's counts by period, after a key.
SELECT advocate_id, width_bucket(day, $3::date[]) AS place, sum(raw_clicks)::bigint AS raw_clicks,
    sum(counted_clicks)::bigint AS counted_clicks, sum(not_counted_clicks)::bigint AS not_counted_clicks,
    sum(review_clicks)::bigint AS review_clicks, sum(visitors)::bigint AS visitors,
    sum(credited_millionths)::bigint AS credited_millionths, sum(value_minor) AS value_minor,
    sum(by_click_millionths)::bigint AS by_click_millionths, sum(by_click_value_minor) AS by_click_value_minor,
    sum(shares)::bigint AS shares, sum(sessions)::bigint AS sessions, sum(engagements)::bigint AS engagements
FROM advocate_day
WHERE day BETWEEN $1 AND $2 AND advocate_id >= $4
GROUP BY advocate_id, place HAVING (advocate_id, width_bucket(day, $3::date[])) > ($4, $5::integer)
ORDER BY advocate_id, place LIMIT $6;

-- by_link: Every link's counts by period, after a key.
SELECT summed.*, link.code, link.advocate_id
FROM (
    SELECT link_id, width_bucket(day, $3::date[]) AS place, sum(raw_clicks)::bigint AS raw_clicks,
        sum(counted_clicks)::bigint AS counted_clicks, sum(not_counted_clicks)::bigint AS not_counted_clicks,
        sum(review_clicks)::bigint AS review_clicks, sum(visitors)::bigint AS visitors,
        sum(credited_millionths)::bigint AS credited_millionths, sum(value_minor) AS value_minor,
        sum(by_click_millionths)::bigint AS by_click_millionths,
        sum(by_click_value_minor) AS by_click_value_minor
    FROM link_day
    WHERE day BETWEEN $1 AND $2 AND link_id >= $4
    GROUP BY link_id, place HAVING (link_id, width_bucket(day, $3::date[])) > ($4, $5::integer)
    ORDER BY link_id, place LIMIT $6
) AS summed LEFT JOIN link USING (link_id) ORDER BY link_id, place;
