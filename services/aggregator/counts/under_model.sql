-- days_of_advocate: The first and the last local day on which there are counts of an advocate ($2) or something is earned
-- by them under a model ($1).
SELECT min(day) AS first, max(day) AS last
FROM (
    SELECT day FROM advocate_day WHERE advocate_id = $2
    UNION ALL
    SELECT day FROM credit
    WHERE advocate_id = $2 AND CASE $1::text WHEN 'last' THEN last WHEN 'first' THEN first WHEN 'linear' THEN linear
        WHEN 'position' THEN "position" WHEN 'time_decay' THEN time_decay END > 0
) AS held;

-- earned: What those below begin with: what was earned under a model ($1) by the day of a conversion or of a click between
-- $2 and $3, by all or by one advocate ($5). Places are those of the starts $4. A value is cut as docs/conversions.md
-- says, in the order of the clicks.
WITH reached AS (
    SELECT credit.advocate_id, credit.link_id, credit.day, credit.click_day, millionths,
        coalesce(conversion.credited_value_minor, 0)::numeric AS value,
        sum(millionths) OVER (
            PARTITION BY credit.conversion_id ORDER BY clicked_at, credit.journal, credit.partition, credit.seq
        ) AS reached
    FROM credit JOIN conversion USING (conversion_id)
    JOIN conversion AS naming ON naming.conversion_id = coalesce(conversion.follows, conversion.conversion_id)
    LEFT JOIN conversion_touch AS touch ON touch.journal = naming.journal AND touch.partition = naming.partition
        AND touch.seq = naming.seq AND click_journal = credit.journal AND click_partition = credit.partition
        AND click_seq = credit.seq
    CROSS JOIN LATERAL (
        SELECT CASE $1::text WHEN 'last' THEN last WHEN 'first' THEN first WHEN 'linear' THEN linear
            WHEN 'position' THEN "position" WHEN 'time_decay' THEN time_decay END AS millionths
    ) AS under
    WHERE credit.conversion_id IN (
        SELECT conversion_id FROM credit
        WHERE (day BETWEEN $2::date AND $3::date OR click_day BETWEEN $2 AND $3)
            AND ($5::text IS NULL OR advocate_id = $5)
    )
), part AS (
    SELECT advocate_id, link_id, day, click_day, millionths,
        div(value * reached, 1000000) - div(value * (reached - millionths), 1000000) AS value_minor
    FROM reached WHERE millionths > 0 AND ($5 IS NULL OR advocate_id = $5)
), earned AS (
    SELECT advocate_id, link_id, width_bucket(day, $4::date[]) AS place, millionths AS credited_millionths, value_minor,
        0 AS by_click_millionths, 0::numeric AS by_click_value_minor
    FROM part WHERE day BETWEEN $2 AND $3
    UNION ALL
    SELECT advocate_id, link_id, width_bucket(click_day, $4), 0, 0, millionths, value_minor
    FROM part WHERE click_day BETWEEN $2 AND $3
)

-- of_advocate: One advocate's, by place.
SELECT place, sum(credited_millionths)::bigint AS credited_millionths, sum(value_minor) AS value_minor,
    sum(by_click_millionths)::bigint AS by_click_millionths, sum(by_click_value_minor) AS by_click_value_minor
FROM earned GROUP BY place ORDER BY place;

-- by_advocate: Every advocate's, by place, after a key.
SELECT advocate_id, place, sum(credited_millionths)::bigint AS credited_millionths,
    sum(value_minor) AS value_minor, sum(by_click_millionths)::bigint AS by_click_millionths,
    sum(by_click_value_minor) AS by_click_value_minor
FROM earned WHERE (advocate_id, place) > ($6, $7::integer)
GROUP BY advocate_id, place ORDER BY advocate_id, place LIMIT $8;

-- by_link: Every link's, by place, after a key.
SELECT summed.*, link.code, link.advocate_id
FROM (
    SELECT link_id, place, sum(credited_millionths)::bigint AS credited_millionths,
        sum(value_minor) AS value_minor, sum(by_click_millionths)::bigint AS by_click_millionths,
        sum(by_click_value_minor) AS by_click_value_minor
    FROM earned WHERE (link_id, place) > ($6, $7::integer)
    GROUP BY link_id, place ORDER BY link_id, place LIMIT $8
) AS summed LEFT JOIN link USING (link_id) ORDER BY link_id, place;
