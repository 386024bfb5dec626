-- counters: The number of the last change of every partition.
SELECT partition, last_change FROM counts_change_counter;

-- changes: Counts rows that were changed after what was seen of their partition, each as it is now; $3 of them, taken in
-- turn from all partitions, and of each partition those that were changed first. One that is busy starves no other.
SELECT counts, partition, change, advocate_id, link_id, start, raw_clicks, counted_clicks, not_counted_clicks,
    review_clicks, visitors, credited_millionths, value_minor, by_click_millionths, by_click_value_minor, shares, sessions,
    engagements
FROM unnest($1::integer[], $2::bigint[]) AS seen (partition, last_change)
CROSS JOIN LATERAL (
    SELECT changed.*, row_number() OVER (ORDER BY change) AS turn FROM (
        (
            SELECT 'advocate_day' AS counts, change, advocate_id, NULL::bigint AS link_id, day AS start,
                raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
                value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements
            FROM advocate_day WHERE advocate_day.partition = seen.partition AND change > seen.last_change
            ORDER BY change LIMIT $3
        ) UNION ALL (
            SELECT 'advocate_quarter', change, advocate_id, NULL, quarter_start,
                raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days, credited_millionths,
                value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements
            FROM advocate_quarter WHERE advocate_quarter.partition = seen.partition AND change > seen.last_change
            ORDER BY change LIMIT $3
        ) UNION ALL (
            SELECT 'link_day', change, NULL, link_id, day,
                raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
                value_minor, by_click_millionths, by_click_value_minor, NULL, NULL, NULL
            FROM link_day WHERE link_day.partition = seen.partition AND change > seen.last_change
            ORDER BY change LIMIT $3
        )
    ) AS changed ORDER BY change LIMIT $3
) AS in_turn
ORDER BY turn, partition LIMIT $3;
