-- click_by_origin: One click, by the primary key but for its date.
SELECT * FROM click WHERE journal = $1 AND partition = $2 AND seq = $3;

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
