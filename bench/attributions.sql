-- number_clicks: The clicks that are there by their number, a day's one after another.
CREATE TABLE bench_click AS SELECT seq AS number, journal, partition, occurred_on, occurred_at FROM click;

-- index_clicks: Found by it.
ALTER TABLE bench_click ADD PRIMARY KEY (number);

-- fill_events: Conversions, $2 of them, each an hour after the last of the $1 clicks that it names.
INSERT INTO conversion_event (
    journal, partition, seq, log_offset, occurred_at, captured_at, logged_at, local_day, source, kind, external_id,
    value_minor, currency, via, test
)
SELECT '\x62656e63682072fe', n % 12, n * 1000 + $1, n, instant, instant, instant, instant::date, 'bench',
    'sale' || $1::bigint, n::text, 1000 + n, 'EUR', 'api', false
FROM generate_series(1, $2::bigint) AS n
CROSS JOIN LATERAL (
    SELECT max(occurred_at) + interval '1 hour' AS instant FROM bench_click WHERE number > (n - 1) * $1 AND number <= n * $1
) AS last;

-- fill_touches: The clicks that those of $1 clicks name.
INSERT INTO conversion_touch (journal, partition, seq, click_journal, click_partition, click_seq, click_on)
SELECT event.journal, event.partition, event.seq, click.journal, click.partition, click.number, click.occurred_on
FROM conversion_event AS event JOIN bench_click AS click ON number > (external_id::bigint - 1) * $1
    AND number <= external_id::bigint * $1
WHERE kind = 'sale' || $1::bigint;

-- fill_conversions: And what stands for them.
INSERT INTO conversion (
    source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at, names_clicks,
    value_minor, currency, test
)
SELECT source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at, true,
    value_minor, currency, test
FROM conversion_event WHERE kind = 'sale' || $1::bigint;

-- mark: All of them are to be looked at.
INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM conversion WHERE kind = 'sale' || $1::bigint;

-- settle: What autovacuum would have done by and by.
VACUUM ANALYZE;
