-- programme: The programme as it is.
SELECT
    timezone, first_weekday, repeats, click_ids, click_id_name, currency, attribution_model,
    attribution_window_s, attribution_windows_s, half_life_s, earning, pending_s, browser_origins, browser_money
FROM programme;

-- programme_held: The programme as it is, which nobody changes before this transaction ends.
SELECT
    timezone, first_weekday, repeats, click_ids, click_id_name, currency, attribution_model,
    attribution_window_s, attribution_windows_s, half_life_s, earning, pending_s, browser_origins, browser_money
FROM programme FOR SHARE;

-- bar_attributors: Let no attribution begin, and wait for those that are under way. They hold the programme one after
-- another, and without pause where several aggregators attribute: whoever wants to change it would wait for ever.
SELECT pg_advisory_xact_lock(hashtext('advolink_attribution'));

-- hold_for_change: Let one change in at a time, and no claim of a partition or attribution beside it.
SELECT FROM programme FOR UPDATE;

-- any_day: Whether anything was ever stored under a local day.
SELECT EXISTS (SELECT FROM click) OR EXISTS (SELECT FROM conversion_event) OR EXISTS (SELECT FROM activity);

-- fence_all: Make every owner of a partition read the programme again before its next batch; waits for running ones, in
-- order, as whoever holds several at once takes them.
WITH held AS (
    SELECT stream, partition FROM partition_offset ORDER BY stream, partition FOR UPDATE
)
UPDATE partition_offset SET owner_epoch = owner_epoch + 1 FROM held
WHERE partition_offset.stream = held.stream AND partition_offset.partition = held.partition;

-- update: Change the programme.
UPDATE programme
SET timezone = $1, first_weekday = $2, repeats = $3, click_ids = $4, click_id_name = $5, currency = $6,
    attribution_model = $7, attribution_window_s = $8, attribution_windows_s = $9, half_life_s = $10, earning = $11,
    pending_s = $12, browser_origins = $13, browser_money = $14, updated_at = now();
