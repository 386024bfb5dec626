-- fill_day: Raw clicks numbered from $2 to $3, all of the UTC date $1, as a programme in UTC has them. Links are drawn by
-- Zipf(1) among $4, each belongs to an advocate, and $5 says which partition an advocate's clicks come through.
INSERT INTO click (
    journal, partition, seq, occurred_on, log_offset, occurred_at, captured_at, logged_at, local_day, link_id, code,
    advocate_id, link_state, method, user_agent, user_agent_cut, referrer_origin, language, signals, networks,
    self_click, test, verdict, reasons, rules_version
)
SELECT '\x62656e63682072ff', ($5::integer[])[link % cardinality($5) + 1], n, $1, n, instant, instant, instant, $1, link,
    'B' || lpad(link::text, 7, '0'), 'bench' || link % cardinality($5), 'active', 'GET',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || 90 + n % 50 || '.0.'
        || 1000 + n % 5000 || '.' || n % 200 || ' Safari/537.36',
    false,
    ('{https://www.linkedin.com,https://t.co,https://www.facebook.com,NULL}'::text[])[n % 4 + 1],
    ('{en-US,en-GB,de-DE,fr-FR,es-ES,pt-BR,ja-JP,NULL}'::text[])[n % 8 + 1],
    CASE WHEN n % 5 = 0 THEN '{}'
        ELSE '{"sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site"}' END::jsonb,
    '{}', false, false,
    CASE WHEN n % 7 = 0 THEN 'not_counted' ELSE 'counted' END,
    CASE WHEN n % 7 = 0 THEN '{named_bot:Slackbot}' ELSE '{}' END::text[], 'plain-2'
FROM (
    SELECT n, exp(random() * ln($4 + 1))::bigint AS link, $1::date + interval '1 day' * random() AS instant
    FROM generate_series($2::bigint, $3::bigint) AS n
) AS drawn;

-- fill_link_days: The counts of links that these clicks add up to, each row numbered within its partition.
WITH filled AS (
    INSERT INTO link_day
    SELECT link_id, local_day, count(*), count(*) FILTER (WHERE verdict = 'counted'),
        count(*) FILTER (WHERE verdict = 'not_counted'), 0, partition,
        row_number() OVER (PARTITION BY partition ORDER BY local_day, link_id)
    FROM click GROUP BY link_id, local_day, partition ORDER BY local_day, link_id
    RETURNING partition
)
INSERT INTO counts_change_counter SELECT partition, count(*) FROM filled GROUP BY partition;

-- fill_advocate_days: Those of advocates, numbered behind them.
WITH filled AS (
    INSERT INTO advocate_day
    SELECT advocate_id, local_day, count(*), count(*) FILTER (WHERE verdict = 'counted'),
        count(*) FILTER (WHERE verdict = 'not_counted'), 0, partition,
        last_change + row_number() OVER (PARTITION BY partition ORDER BY local_day, advocate_id)
    FROM click JOIN counts_change_counter USING (partition)
    GROUP BY advocate_id, local_day, partition, last_change ORDER BY local_day, advocate_id
    RETURNING partition
)
UPDATE counts_change_counter AS counter SET last_change = last_change + added
FROM (SELECT partition, count(*) AS added FROM filled GROUP BY partition) AS numbers
WHERE counter.partition = numbers.partition;

-- fill_advocate_quarters: And their quarters.
WITH filled AS (
    INSERT INTO advocate_quarter
    SELECT advocate_id, date_trunc('quarter', day)::date, sum(raw_clicks), sum(counted_clicks), sum(not_counted_clicks), 0,
        partition, last_change + row_number() OVER (PARTITION BY partition)
    FROM advocate_day JOIN counts_change_counter USING (partition)
    GROUP BY 1, 2, partition, last_change
    RETURNING partition
)
UPDATE counts_change_counter AS counter SET last_change = last_change + added
FROM (SELECT partition, count(*) AS added FROM filled GROUP BY partition) AS numbers
WHERE counter.partition = numbers.partition;

-- settle: What autovacuum would have done by and by.
VACUUM ANALYZE;
