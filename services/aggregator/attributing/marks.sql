-- mark: Have some conversions looked at again.
INSERT INTO conversion_mark (conversion_id, captured_at, left_customer)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bytea[]);

-- mark_by_clicks: Mark every conversion whose event names one of these clicks, after their verdicts were changed: the
-- statement's snapshot is newer than the locks on their rows, so whoever read them before is seen here, or waits for us.
INSERT INTO conversion_mark (conversion_id)
SELECT DISTINCT conversion_id FROM unnest($1::bytea[], $2::integer[], $3::bigint[]) AS changed (journal, partition, seq)
JOIN conversion_touch AS touch
    ON touch.click_journal = changed.journal AND touch.click_partition = changed.partition AND touch.click_seq = changed.seq
JOIN conversion ON conversion.journal = touch.journal AND conversion.partition = touch.partition
    AND conversion.seq = touch.seq;

-- begin_marking_all: Have every conversion marked, page by page. The caller holds the programme for a change: nobody else
-- begins the same.
WITH again AS (
    UPDATE conversion_marking SET again = true WHERE currency IS NULL AND customer IS NULL RETURNING marking_id
)
INSERT INTO conversion_marking (after_id) SELECT 0 WHERE NOT EXISTS (SELECT FROM again);

-- begin_marking_currency: Have every conversion of a currency marked from a local day on.
INSERT INTO conversion_marking AS known (currency, since) VALUES ($1, $2)
ON CONFLICT ON CONSTRAINT conversion_marking_currency_key
DO UPDATE SET since = least(known.since, excluded.since), again = true;

-- correcting: How many marks of corrections wait, as far as $1.
SELECT count(*) FROM (
    SELECT FROM conversion_mark WHERE captured_at IS NULL AND set_aside_at IS NULL LIMIT $1
) AS waiting;

-- next_marking: What is still to be marked, the oldest; whoever asks for the same once more waits, and then finds how far
-- it is.
SELECT marking_id, currency, since, customer, after_at, after_id, again FROM conversion_marking
ORDER BY asked_at, marking_id LIMIT 1 FOR UPDATE;

-- page: The next $2 conversions after $1.
WITH page AS MATERIALIZED (
    SELECT conversion_id FROM conversion WHERE conversion_id > $1 ORDER BY conversion_id LIMIT $2
)

-- page_of_currency: The same of a currency ($3) alone, from the local day $4 on.
WITH page AS MATERIALIZED (
    SELECT conversion_id FROM conversion
    WHERE currency = $3 AND local_day >= $4 AND conversion_id > $1 ORDER BY conversion_id LIMIT $2
)

-- mark_page: What goes on from these two: mark the page. One that is marked already is left out: whoever has that mark
-- began after the change for which this is.
, marked AS (
    INSERT INTO conversion_mark (conversion_id)
    SELECT conversion_id FROM page WHERE NOT EXISTS (
        SELECT FROM conversion_mark
        WHERE conversion_mark.conversion_id = page.conversion_id AND set_aside_at IS NULL
    )
)
SELECT count(*) AS looked_at, max(conversion_id) AS after_id, NULL::timestamptz AS after_at FROM page;

-- mark_page_of_customer: Mark the next $2 of a customer's conversions ($3) that name no click after ($4, $1), also those that
-- are marked already: whoever has that mark may have seen their binder as it was.
WITH page AS MATERIALIZED (
    SELECT conversion_id, occurred_at FROM conversion
    WHERE customer = $3 AND NOT names_clicks AND (occurred_at, conversion_id) > ($4, $1)
    ORDER BY occurred_at, conversion_id LIMIT $2
), marked AS (
    INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM page
)
SELECT count(*) OVER () AS looked_at, conversion_id AS after_id, occurred_at AS after_at
FROM page ORDER BY occurred_at DESC, conversion_id DESC LIMIT 1;

-- go_on: How far it is now.
UPDATE conversion_marking SET after_at = coalesce($2, after_at), after_id = $3 WHERE marking_id = $1;

-- begin_again: All of it has been marked, and something has changed meanwhile. It waits for its turn: a customer of whom
-- there is always more would keep all else waiting.
UPDATE conversion_marking SET after_at = '-infinity', after_id = 0, again = false, asked_at = now() WHERE marking_id = $1;

-- end: All of it has been marked.
DELETE FROM conversion_marking WHERE marking_id = $1;
