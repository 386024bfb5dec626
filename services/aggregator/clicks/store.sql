-- click_by_origin: One click, by the primary key but for its date.
SELECT * FROM click WHERE journal = $1 AND partition = $2 AND seq = $3;

-- counts_of_click: The counts rows that a click of an advocate ($1), local day ($2), quarter ($3) and link ($4) is in.
SELECT 'advocate_day' AS counts, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors
FROM advocate_day WHERE advocate_id = $1 AND day = $2
UNION ALL
SELECT 'advocate_quarter', raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days
FROM advocate_quarter WHERE advocate_id = $1 AND quarter_start = $3
UNION ALL
SELECT 'link_day', raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors
FROM link_day WHERE link_id = $4 AND day = $2;

-- watermark_of: How far a journal is applied in a partition.
SELECT seq, captured_at FROM watermark WHERE journal = $1 AND stream = $2 AND partition = $3;

-- dead_letter_of: The latest dead letter that an event became.
SELECT dead_letter_id, reason, closed_as, closed_at, closed_why FROM dead_letter
WHERE journal = $1 AND stream = $2 AND partition = $3 AND seq = $4
ORDER BY dead_letter_id DESC LIMIT 1;

-- clicks_of_day: The clicks behind an advocate's local day in canonical order, after a key. A local day touches at
-- most three UTC dates; naming them spares Postgres the other raw partitions.
SELECT * FROM click
WHERE advocate_id = $1 AND local_day = $2 AND occurred_on BETWEEN $2 - 1 AND $2 + 1
    AND ($3::text IS NULL OR verdict = $3) AND (partition, log_offset) > ($4::bigint, $5)
ORDER BY partition, log_offset LIMIT $6;

-- count_of_day: How many clicks there are behind an advocate's local day.
SELECT count(*) FROM click
WHERE advocate_id = $1 AND local_day = $2 AND occurred_on BETWEEN $2 - 1 AND $2 + 1
    AND ($3::text IS NULL OR verdict = $3);
