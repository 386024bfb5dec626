-- name_session: So that people know the session, and it notices within a second that the command behind it has died.
SELECT set_config('application_name', 'advolink rebuild', false),
    set_config('client_connection_check_interval', '1s', false);

-- wait_briefly: For the rest of the transaction, locks that are held for longer are given up.
SET LOCAL lock_timeout = '3s';

-- let_one_in: One rebuild at a time; released with the session.
SELECT pg_advisory_lock(hashtext('advolink_rebuild'));

-- make_off: What every row that differs is off by, and the partition it belongs to; gone with the session.
CREATE TEMPORARY TABLE counts_off (
    counts text NOT NULL,
    key text COLLATE "C" NOT NULL,
    start date NOT NULL,
    partition integer NOT NULL,
    raw bigint NOT NULL,
    counted bigint NOT NULL,
    not_counted bigint NOT NULL,
    review bigint NOT NULL,
    visitors bigint NOT NULL,
    credited_millionths bigint NOT NULL,
    value_minor numeric NOT NULL,
    by_click_millionths bigint NOT NULL,
    by_click_value_minor numeric NOT NULL,
    shares bigint NOT NULL,
    sessions bigint NOT NULL,
    engagements bigint NOT NULL
);

-- make_numbered: The same with the place of each among the changes of its partition, and how many these are.
CREATE TEMPORARY TABLE counts_numbered AS
SELECT *, row_number() OVER (PARTITION BY partition ORDER BY counts, key, start) AS place,
    count(*) OVER (PARTITION BY partition) AS total
FROM counts_off;

-- look_at_numbered: How large it is, for the plans.
ANALYZE counts_numbered;

-- limit_idleness: Were we to freeze now, batches would wait for as long; Postgres ends our transaction instead.
SELECT set_config('idle_in_transaction_session_timeout', $1, true);

-- take_numbers: The next numbers of every partition that is to be changed. From here on its batches wait with their counts.
INSERT INTO counts_change_counter AS known (partition, last_change)
SELECT partition, count(*) FROM counts_numbered GROUP BY partition ORDER BY partition
ON CONFLICT ON CONSTRAINT counts_change_counter_pkey DO UPDATE SET last_change = known.last_change + excluded.last_change;

-- note_rebuild: A rebuild that is carried through, if the transaction is.
INSERT INTO counts_rebuild (kept_from, clicks, rows_compared, rows_corrected)
SELECT $1, $2, $3, count(*) FROM counts_numbered
RETURNING rebuild_id, rows_corrected;

-- correct_link_days: Add to each row what it is off by, and keep what it was and what it is.
WITH corrected AS (
    INSERT INTO link_day AS known (
        link_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
        value_minor, by_click_millionths, by_click_value_minor, partition, change
    )
    SELECT
        key::bigint, start, raw, counted, not_counted, review, visitors, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, partition, last_change - total + place
    FROM counts_numbered JOIN counts_change_counter USING (partition) WHERE counts = 'link_day'
    ON CONFLICT ON CONSTRAINT link_day_pkey DO UPDATE SET
        raw_clicks = known.raw_clicks + excluded.raw_clicks,
        counted_clicks = known.counted_clicks + excluded.counted_clicks,
        not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
        review_clicks = known.review_clicks + excluded.review_clicks,
        visitors = known.visitors + excluded.visitors,
        credited_millionths = known.credited_millionths + excluded.credited_millionths,
        value_minor = known.value_minor + excluded.value_minor,
        by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
        by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
        partition = excluded.partition, change = excluded.change
    RETURNING
        link_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
        value_minor, by_click_millionths, by_click_value_minor
)
INSERT INTO counts_correction (rebuild_id, counts, key, start, before, after)
SELECT $1, 'link_day', link_id::text, day,
    CASE WHEN was.change IS NOT NULL THEN ARRAY[
        was.raw_clicks, was.counted_clicks, was.not_counted_clicks, was.review_clicks, was.visitors,
        was.credited_millionths, was.value_minor, was.by_click_millionths, was.by_click_value_minor
    ] END,
    ARRAY[
        corrected.raw_clicks, corrected.counted_clicks, corrected.not_counted_clicks, corrected.review_clicks,
        corrected.visitors, corrected.credited_millionths, corrected.value_minor, corrected.by_click_millionths,
        corrected.by_click_value_minor
    ]
FROM corrected LEFT JOIN link_day AS was USING (link_id, day);

-- correct_advocate_days: The same for advocates' days.
WITH corrected AS (
    INSERT INTO advocate_day AS known (
        advocate_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
        value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements, partition, change
    )
    SELECT
        key, start, raw, counted, not_counted, review, visitors, credited_millionths, value_minor, by_click_millionths,
        by_click_value_minor, shares, sessions, engagements, partition, last_change - total + place
    FROM counts_numbered JOIN counts_change_counter USING (partition) WHERE counts = 'advocate_day'
    ON CONFLICT ON CONSTRAINT advocate_day_pkey DO UPDATE SET
        raw_clicks = known.raw_clicks + excluded.raw_clicks,
        counted_clicks = known.counted_clicks + excluded.counted_clicks,
        not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
        review_clicks = known.review_clicks + excluded.review_clicks,
        visitors = known.visitors + excluded.visitors,
        credited_millionths = known.credited_millionths + excluded.credited_millionths,
        value_minor = known.value_minor + excluded.value_minor,
        by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
        by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
        shares = known.shares + excluded.shares,
        sessions = known.sessions + excluded.sessions,
        engagements = known.engagements + excluded.engagements,
        partition = excluded.partition, change = excluded.change
    RETURNING
        advocate_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, credited_millionths,
        value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements
)
INSERT INTO counts_correction (rebuild_id, counts, key, start, before, after)
SELECT $1, 'advocate_day', advocate_id, day,
    CASE WHEN was.change IS NOT NULL THEN ARRAY[
        was.raw_clicks, was.counted_clicks, was.not_counted_clicks, was.review_clicks, was.visitors,
        was.credited_millionths, was.value_minor, was.by_click_millionths, was.by_click_value_minor, was.shares,
        was.sessions, was.engagements
    ] END,
    ARRAY[
        corrected.raw_clicks, corrected.counted_clicks, corrected.not_counted_clicks, corrected.review_clicks,
        corrected.visitors, corrected.credited_millionths, corrected.value_minor, corrected.by_click_millionths,
        corrected.by_click_value_minor, corrected.shares, corrected.sessions, corrected.engagements
    ]
FROM corrected LEFT JOIN advocate_day AS was USING (advocate_id, day);

-- correct_advocate_quarters: The same for advocates' quarters.
WITH corrected AS (
    INSERT INTO advocate_quarter AS known (
        advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days,
        credited_millionths, value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements,
        partition, change
    )
    SELECT
        key, start, raw, counted, not_counted, review, visitors, credited_millionths, value_minor, by_click_millionths,
        by_click_value_minor, shares, sessions, engagements, partition, last_change - total + place
    FROM counts_numbered JOIN counts_change_counter USING (partition) WHERE counts = 'advocate_quarter'
    ON CONFLICT ON CONSTRAINT advocate_quarter_pkey DO UPDATE SET
        raw_clicks = known.raw_clicks + excluded.raw_clicks,
        counted_clicks = known.counted_clicks + excluded.counted_clicks,
        not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
        review_clicks = known.review_clicks + excluded.review_clicks,
        visitor_days = known.visitor_days + excluded.visitor_days,
        credited_millionths = known.credited_millionths + excluded.credited_millionths,
        value_minor = known.value_minor + excluded.value_minor,
        by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
        by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
        shares = known.shares + excluded.shares,
        sessions = known.sessions + excluded.sessions,
        engagements = known.engagements + excluded.engagements,
        partition = excluded.partition, change = excluded.change
    RETURNING
        advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days,
        credited_millionths, value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements
)
INSERT INTO counts_correction (rebuild_id, counts, key, start, before, after)
SELECT $1, 'advocate_quarter', advocate_id, quarter_start,
    CASE WHEN was.change IS NOT NULL THEN ARRAY[
        was.raw_clicks, was.counted_clicks, was.not_counted_clicks, was.review_clicks, was.visitor_days,
        was.credited_millionths, was.value_minor, was.by_click_millionths, was.by_click_value_minor, was.shares,
        was.sessions, was.engagements
    ] END,
    ARRAY[
        corrected.raw_clicks, corrected.counted_clicks, corrected.not_counted_clicks, corrected.review_clicks,
        corrected.visitor_days, corrected.credited_millionths, corrected.value_minor, corrected.by_click_millionths,
        corrected.by_click_value_minor, corrected.shares, corrected.sessions, corrected.engagements
    ]
FROM corrected LEFT JOIN advocate_quarter AS was USING (advocate_id, quarter_start);

-- any_below_zero: Whether a row would say less than nothing: somebody altered it after it was compared.
SELECT EXISTS (SELECT FROM counts_correction WHERE rebuild_id = $1 AND 0 > ANY(after));

-- corrections: What a rebuild corrected, $2 rows of it.
SELECT counts, key, start, before, after FROM counts_correction WHERE rebuild_id = $1 ORDER BY counts, start, key LIMIT $2;

-- mend_slots: Have every slot of the local day $1, whose raw clicks lie in the UTC dates from $2 to $3, held by its first
-- counted click; how many were not. Their partitions have to be held.
WITH first AS MATERIALIZED (
    SELECT DISTINCT ON (advocate_id, visitor, link_id)
        advocate_id, visitor, link_id, partition, log_offset, journal, seq
    FROM click
    WHERE occurred_on BETWEEN $2 AND $3 AND local_day = $1 AND verdict = 'counted' AND visitor IS NOT NULL
    ORDER BY advocate_id, visitor, link_id, partition, log_offset, journal, seq
), gone AS (
    DELETE FROM slot WHERE day = $1 AND NOT EXISTS (
        SELECT FROM first
        WHERE (first.advocate_id, first.visitor, first.link_id) = (slot.advocate_id, slot.visitor, slot.link_id)
    ) RETURNING 1
), mended AS (
    INSERT INTO slot AS held (day, advocate_id, visitor, link_id, partition, log_offset, journal, seq)
    SELECT $1, first.* FROM first
    ON CONFLICT ON CONSTRAINT slot_pkey DO UPDATE SET
        partition = excluded.partition, log_offset = excluded.log_offset, journal = excluded.journal, seq = excluded.seq
    WHERE (held.partition, held.log_offset, held.journal, held.seq)
        IS DISTINCT FROM (excluded.partition, excluded.log_offset, excluded.journal, excluded.seq)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM mended);
