-- any_mark: Whether anything is to be done.
SELECT EXISTS (SELECT FROM conversion_mark WHERE set_aside_at IS NULL);

-- begin: Queue behind whoever waits to change the programme (programme/store.sql); beside other attributors.
-- One that freezes now would hold clicks and counters for as long; Postgres ends its transaction instead. Nothing is
-- compiled, for a plan that looks for a few clicks in many dates is thought to be dear, and takes seconds to compile.
SELECT set_config('idle_in_transaction_session_timeout', $1, true), set_config('jit', 'off', true),
    pg_advisory_xact_lock_shared(hashtext('advolink_attribution'));

-- take_marks: Some marks that no other attributor has: first those of facts, for which complete_through waits, the oldest
-- before the others; then those that correct, which may be as many as there are conversions.
SELECT mark_id, conversion_id, left_customer FROM conversion_mark WHERE set_aside_at IS NULL
ORDER BY captured_at, mark_id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- hold_conversions: Conversions that nobody else attributes or gives to another event before this transaction ends, in
-- the order in which whoever holds several takes them.
SELECT conversion_id, source, kind, external_id, journal, partition, seq, occurred_at, local_day, logged_at, customer,
    names_clicks, value_minor, currency, test
FROM conversion WHERE conversion_id = ANY($1) ORDER BY conversion_id FOR NO KEY UPDATE;

-- reversals_of: What was taken back of conversions: in parts, which are summed, and as a whole (null).
SELECT conversion_id,
    CASE WHEN NOT (reversal.value_minor IS NULL) THEN least(sum(reversal.value_minor), 1e18)::bigint END AS value_minor
FROM conversion JOIN reversal USING (source, kind, external_id) WHERE conversion_id = ANY($1)
GROUP BY conversion_id, (reversal.value_minor IS NULL);

-- rates_of: For conversions of other currencies than the programme's, the latest rate by their local day.
SELECT conversion_id, latest.rate, latest.valid_from
FROM conversion CROSS JOIN LATERAL (
    SELECT rate, valid_from FROM rate
    WHERE base = $2 AND rate.currency = conversion.currency AND valid_from <= conversion.local_day
    ORDER BY valid_from DESC LIMIT 1
) AS latest
WHERE conversion_id = ANY($1);

-- candidates_of: Of some customers the first conversions that name clicks, by when they happened: one of them may bind.
-- With each how many clicks it names.
SELECT candidate.*, (
    SELECT count(*) FROM conversion_touch AS touch
    WHERE touch.journal = candidate.journal AND touch.partition = candidate.partition AND touch.seq = candidate.seq
) AS touches
FROM unnest($1::bytea[]) AS asked (customer) CROSS JOIN LATERAL (
    SELECT conversion_id, source, kind, external_id, journal, partition, seq, occurred_at, local_day, logged_at, customer,
        names_clicks, value_minor, currency, test
    FROM conversion WHERE conversion.customer = asked.customer AND names_clicks AND NOT test
    ORDER BY occurred_at, source, kind, external_id LIMIT $2
) AS candidate;

-- touches_of: The clicks that some events name, and what was found of each.
SELECT touch.*
FROM unnest($1::bytea[], $2::integer[], $3::bigint[]) AS holder (journal, partition, seq)
JOIN conversion_touch AS touch USING (journal, partition, seq);

-- hold_clicks: Clicks whose verdicts nobody changes before this transaction ends; a change that is under way is waited
-- for. Sought one by one, in the order in which whoever changes several takes them. What is not there keeps what was
-- found of it before.
SELECT held.*
FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::date[]) AS named (journal, partition, seq, occurred_on)
CROSS JOIN LATERAL (
    SELECT journal, partition, seq, occurred_at, local_day, advocate_id, link_id, verdict, reasons, self_click, test
    FROM click
    WHERE click.journal = named.journal AND click.partition = named.partition AND click.seq = named.seq
        AND click.occurred_on = named.occurred_on
    FOR SHARE
) AS held;

-- put_facts: What was found of a click, beside the event that names it: it is known also when the raw click was let go.
UPDATE conversion_touch SET clicked_at = $7, local_day = $8, advocate_id = $9, link_id = $10, verdict = $11, reasons = $12,
    self_click = $13, test = $14
WHERE journal = $1 AND partition = $2 AND seq = $3
    AND click_journal = $4 AND click_partition = $5 AND click_seq = $6;

-- put_attributions: What became of conversions, where it is not that already.
UPDATE conversion SET state = made.state, decided_at = $1, waits_until = made.waits_until, window_s = made.window_s,
    model = made.model, follows = made.follows, net_value_minor = made.net_value_minor,
    credited_value_minor = made.credited_value_minor, credited_currency = made.credited_currency, rate = made.rate,
    rate_from = made.rate_from, lacks_clicks = made.lacks_clicks
FROM unnest(
    $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::text[], $11::numeric[], $12::date[], $13::boolean[]
) AS made (
    conversion_id, state, waits_until, window_s, model, follows, net_value_minor, credited_value_minor, credited_currency,
    rate, rate_from, lacks_clicks
)
WHERE conversion.conversion_id = made.conversion_id AND (
    conversion.state, conversion.waits_until, conversion.window_s, conversion.model, conversion.follows,
    conversion.net_value_minor, conversion.credited_value_minor, conversion.credited_currency, conversion.rate,
    conversion.rate_from, conversion.lacks_clicks
) IS DISTINCT FROM (
    made.state, made.waits_until, made.window_s, made.model, made.follows, made.net_value_minor,
    made.credited_value_minor, made.credited_currency, made.rate, made.rate_from, made.lacks_clicks
);

-- credits_of: What conversions credit so far; all of it is in the counts.
SELECT * FROM credit WHERE conversion_id = ANY($1);

-- drop_credits: Take credits back.
DELETE FROM credit USING unnest($1::bigint[], $2::bytea[], $3::integer[], $4::bigint[])
    AS gone (conversion_id, journal, partition, seq)
WHERE credit.conversion_id = gone.conversion_id AND credit.journal = gone.journal
    AND credit.partition = gone.partition AND credit.seq = gone.seq;

-- add_credits: Give credits.
INSERT INTO credit (
    conversion_id, journal, partition, seq, advocate_id, link_id, day, click_day, last, first, linear, "position",
    time_decay, counted_millionths, value_minor
)
SELECT * FROM unnest(
    $1::bigint[], $2::bytea[], $3::integer[], $4::bigint[], $5::text[], $6::bigint[], $7::date[], $8::date[],
    $9::integer[], $10::integer[], $11::integer[], $12::integer[], $13::integer[], $14::integer[], $15::bigint[]
);

-- drop_marks: Exactly those that were taken: what was marked meanwhile is looked at once more.
DELETE FROM conversion_mark WHERE mark_id = ANY($1);

-- mark_followers: Mark whatever may follow these conversions ($1), and whatever may have followed one while it was another
-- customer's ($2). Always, not only where something has changed: a follower that is being attributed beside us may have
-- seen its binder as it was before, and be committed after us. Of each customer as many as $3 at once; the sweep marks
-- the others.
WITH asked AS (
    SELECT customer, min(since) AS since
    FROM (
        SELECT customer, occurred_at AS since FROM conversion WHERE conversion_id = ANY($1) AND names_clicks
        UNION ALL SELECT customer, '-infinity' FROM unnest($2::bytea[]) AS left_behind (customer)
    ) AS named
    WHERE customer IS NOT NULL GROUP BY customer
), page AS MATERIALIZED (
    SELECT asked.customer, follower.*
    FROM asked CROSS JOIN LATERAL (
        SELECT conversion_id, occurred_at FROM conversion
        WHERE conversion.customer = asked.customer AND NOT names_clicks AND occurred_at >= since
        ORDER BY occurred_at, conversion_id LIMIT $3
    ) AS follower
), marked AS (
    INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM page
)
INSERT INTO conversion_marking AS known (customer) SELECT customer FROM page GROUP BY customer HAVING count(*) = $3
ORDER BY customer
ON CONFLICT ON CONSTRAINT conversion_marking_customer_key DO UPDATE SET again = true;

-- one_sweep: Whether nobody else is sweeping; nobody does before this transaction ends. Nothing is compiled, as above.
SELECT pg_try_advisory_xact_lock(hashtext('advolink_sweep')), set_config('jit', 'off', true);

-- sweep_touches: Mark conversions that name a click which was not there, and is now. Those that are waited for, or those
-- that were given up: what is asked every second grows with neither them nor what stands for no conversion. Clicks are
-- sought one by one, whatever Postgres thinks of their number. That none is marked already may be asked here: what is
-- overlooked, the next sweep finds.
INSERT INTO conversion_mark (conversion_id)
SELECT DISTINCT conversion_id
FROM conversion JOIN conversion_touch AS touch USING (journal, partition, seq)
CROSS JOIN LATERAL (
    SELECT FROM click
    WHERE click.journal = touch.click_journal AND click.partition = touch.click_partition
        AND click.seq = touch.click_seq AND click.occurred_on = touch.click_on
    OFFSET 0
) AS found
WHERE lacks_clicks AND waits_until > CASE WHEN $2::boolean THEN '-infinity' ELSE $1::timestamptz END
    AND waits_until <= CASE WHEN $2 THEN $1 ELSE 'infinity' END AND clicked_at IS NULL AND NOT EXISTS (
    SELECT FROM conversion_mark WHERE conversion_mark.conversion_id = conversion.conversion_id
)
LIMIT $3
RETURNING conversion_id;

-- sweep_waiting: Mark conversions that have waited long enough.
INSERT INTO conversion_mark (conversion_id)
SELECT conversion_id FROM conversion WHERE state = 'pending_click' AND waits_until <= $1 AND NOT EXISTS (
    SELECT FROM conversion_mark WHERE conversion_mark.conversion_id = conversion.conversion_id
)
ORDER BY waits_until LIMIT $2
RETURNING conversion_id;

-- set_aside_count: How many conversions are set aside.
SELECT count(DISTINCT conversion_id) FROM conversion_mark WHERE set_aside_at IS NOT NULL;

-- set_aside: Have a mark wait that nobody can do anything about now, with why. complete_through waits for it all the same.
UPDATE conversion_mark SET set_aside_at = $2, error = $3
WHERE mark_id = $1 AND set_aside_at IS NULL;

-- try_again: Have marks taken again that were set aside by $1; of how many conversions they are.
WITH tried AS (
    UPDATE conversion_mark SET set_aside_at = NULL, error = NULL WHERE set_aside_at <= $1 RETURNING conversion_id
)
SELECT count(DISTINCT conversion_id) FROM tried;

-- find_set_aside: Conversions that are set aside, each with its last error, in the order in which they were.
SELECT DISTINCT ON (set_aside_at, conversion_id) source, kind, external_id, set_aside_at, error
FROM conversion_mark JOIN conversion USING (conversion_id)
WHERE set_aside_at IS NOT NULL ORDER BY set_aside_at, conversion_id, mark_id DESC;
