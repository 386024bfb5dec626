-- make_offset: Begin a partition's offset row, once. One that is there is only looked at, for a batch may hold it.
INSERT INTO partition_offset (stream, partition)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM partition_offset WHERE stream = $1 AND partition = $2)
ON CONFLICT DO NOTHING;

-- evict: End the sessions of a partition's owner whose lease has run out. One that froze inside a COPY holds the offset
-- row, and no time-out of Postgres's ends that; one that is alive after all connects again and finds that it has lost.
SELECT pg_terminate_backend(pid) FROM partition_offset
JOIN pg_stat_activity ON application_name = $3 || partition_offset.owner AND datname = current_database()
WHERE stream = $1 AND partition = $2 AND owner <> $4 AND NOT EXISTS (
    SELECT FROM aggregator_lease WHERE aggregator_lease.owner = partition_offset.owner AND expires_at > now()
);

-- claim: Take a partition over unless its owner is another whose lease is good; the epoch fences whoever had it.
UPDATE partition_offset SET owner = $3, owner_epoch = owner_epoch + 1, updated_at = now()
WHERE stream = $1 AND partition = $2 AND NOT EXISTS (
    SELECT FROM aggregator_lease
    WHERE aggregator_lease.owner = partition_offset.owner AND aggregator_lease.owner <> $3 AND expires_at > now()
)
RETURNING next_offset, owner_epoch, stopped;

-- standing: Where a partition stands and whose it is.
SELECT next_offset, owner, owner_epoch, stopped FROM partition_offset WHERE stream = $1 AND partition = $2;

-- stop: Write down why a partition stands still, and since when.
UPDATE partition_offset
SET stopped = $4, stopped_detail = $5, stopped_at = CASE WHEN stopped = $4 THEN stopped_at ELSE now() END
WHERE stream = $1 AND partition = $2 AND owner_epoch = $3;

-- resume: It moves again.
UPDATE partition_offset SET stopped = NULL, stopped_detail = NULL, stopped_at = NULL
WHERE stream = $1 AND partition = $2 AND owner_epoch = $3;

-- move_offset: First statement of a batch: move the offset from where we believe it to be, or nothing at all.
-- An owner that freezes now would hold the row's lock for as long; Postgres ends its transaction instead.
UPDATE partition_offset
SET next_offset = $3, updated_at = now(), stopped = NULL, stopped_detail = NULL, stopped_at = NULL
WHERE stream = $1 AND partition = $2 AND next_offset = $4 AND owner_epoch = $5
RETURNING set_config('idle_in_transaction_session_timeout', $6, true);

-- ensure_day: Make the raw partition of a UTC date.
SELECT click_day_ensure($1);

-- watermarks: How far some journals are applied in a partition.
SELECT journal, seq, captured_at, sealed, first_captured_at FROM watermark
WHERE stream = $1 AND partition = $2 AND journal = ANY($3::bytea[]);

-- holes: The holes of some journals in a partition, closed ones too: what comes into them fills them.
SELECT journal, seq_from, seq_to, kind, captured_after, opened_at, closed_at, closed_why FROM hole
WHERE stream = $1 AND partition = $2 AND journal = ANY($3::bytea[]);

-- put_watermarks: Move watermarks on; first_captured_at stays what it was at first.
INSERT INTO watermark AS known (stream, partition, journal, seq, captured_at, sealed, first_captured_at)
SELECT $1, $2, * FROM unnest($3::bytea[], $4::bigint[], $5::timestamptz[], $6::boolean[], $7::timestamptz[])
ON CONFLICT ON CONSTRAINT watermark_pkey DO UPDATE
SET seq = excluded.seq, captured_at = excluded.captured_at, sealed = excluded.sealed;

-- drop_holes: Take away holes that were filled or have other ends now.
DELETE FROM hole USING unnest($3::bytea[], $4::bigint[]) AS gone (journal, seq_from)
WHERE stream = $1 AND partition = $2 AND hole.journal = gone.journal AND hole.seq_from = gone.seq_from;

-- put_holes: Remember holes. Those that are left of others keep when these were opened and closed.
INSERT INTO hole (
    stream, partition, journal, seq_from, seq_to, kind, captured_after, opened_at, closed_at, closed_why
)
SELECT $1, $2, journal, seq_from, seq_to, kind, captured_after, coalesce(opened_at, now()), closed_at, closed_why
FROM unnest(
    $3::bytea[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
    $10::text[]
) AS made (journal, seq_from, seq_to, kind, captured_after, opened_at, closed_at, closed_why);

-- put_dead_letters: Keep records that cannot be applied, each once, however often it is read from its offset.
INSERT INTO dead_letter (stream, partition, log_offset, journal, seq, value, reason, detail, logged_at)
SELECT $1, $2, dead.* FROM unnest(
    $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::text[], $8::text[], $9::timestamptz[]
) AS dead (log_offset, journal, seq, value, reason, detail, logged_at)
WHERE NOT EXISTS (
    SELECT FROM dead_letter AS kept
    WHERE kept.stream = $1 AND kept.partition = $2 AND kept.log_offset = dead.log_offset
        AND (kept.journal, kept.seq, kept.value) IS NOT DISTINCT FROM (dead.journal, dead.seq, dead.value)
);

-- take_slots: Give each slot that nobody holds to the click that asks for it; and tell of which visitors their advocate had
-- something that day before: the holder of the slot where there is one, else of any other. Whoever asks for slots of a
-- partition holds it: what is seen is all there is, and a conflict means that clicks of a slot came through another
-- partition too. Sought slot by slot, for a plan made while the table was small would read all of it for ever.
WITH asked AS MATERIALIZED (
    SELECT asked.*, known.*
    FROM unnest($1::date[], $2::text[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::bytea[], $8::bigint[])
        WITH ORDINALITY AS asked (day, advocate_id, visitor, link_id, partition, log_offset, journal, seq, number)
    LEFT JOIN LATERAL (
        SELECT slot.link_id = asked.link_id AS is_held, slot.partition AS holder_partition,
            slot.log_offset AS holder_offset, slot.journal AS holder_journal, slot.seq AS holder_seq
        FROM slot
        WHERE slot.day = asked.day AND slot.advocate_id = asked.advocate_id AND slot.visitor = asked.visitor
        ORDER BY slot.link_id <> asked.link_id LIMIT 1
    ) AS known ON true
), taken AS (
    INSERT INTO slot (day, advocate_id, visitor, link_id, partition, log_offset, journal, seq)
    SELECT day, advocate_id, visitor, link_id, partition, log_offset, journal, seq FROM asked WHERE is_held IS NOT TRUE
)
SELECT number, is_held, holder_partition, holder_offset, holder_journal, holder_seq FROM asked WHERE is_held IS NOT NULL;

-- add_counts: Add to the counts of a partition, each row with the next number of its changes. The counter's row is held
-- from here to the commit, and whoever changes counts takes it first: numbers are in commit order, and nobody waits in a
-- circle. Three lists of rows, each behind its keys: links' days, advocates' days, advocates' quarters.
WITH counter AS (
    INSERT INTO counts_change_counter AS known (partition, last_change) VALUES ($1, $2)
    ON CONFLICT ON CONSTRAINT counts_change_counter_pkey
    DO UPDATE SET last_change = known.last_change + excluded.last_change
    RETURNING last_change - $2 AS before
), link_days AS (
    INSERT INTO link_day AS known (
        link_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, partition, change
    )
    SELECT link_id, day, raw, counted, not_counted, review, visitors, $1, before + place
    FROM counter, unnest(
        $3::bigint[], $4::date[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]
    ) WITH ORDINALITY AS added (link_id, day, raw, counted, not_counted, review, visitors, place)
    ON CONFLICT ON CONSTRAINT link_day_pkey DO UPDATE SET
        raw_clicks = known.raw_clicks + excluded.raw_clicks,
        counted_clicks = known.counted_clicks + excluded.counted_clicks,
        not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
        review_clicks = known.review_clicks + excluded.review_clicks,
        visitors = known.visitors + excluded.visitors,
        partition = excluded.partition, change = excluded.change
), advocate_days AS (
    INSERT INTO advocate_day AS known (
        advocate_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitors, partition, change
    )
    SELECT advocate_id, day, raw, counted, not_counted, review, visitors, $1, before + cardinality($3) + place
    FROM counter, unnest(
        $10::text[], $11::date[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[]
    ) WITH ORDINALITY AS added (advocate_id, day, raw, counted, not_counted, review, visitors, place)
    ON CONFLICT ON CONSTRAINT advocate_day_pkey DO UPDATE SET
        raw_clicks = known.raw_clicks + excluded.raw_clicks,
        counted_clicks = known.counted_clicks + excluded.counted_clicks,
        not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
        review_clicks = known.review_clicks + excluded.review_clicks,
        visitors = known.visitors + excluded.visitors,
        partition = excluded.partition, change = excluded.change
)
INSERT INTO advocate_quarter AS known (
    advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, visitor_days, partition,
    change
)
SELECT advocate_id, quarter_start, raw, counted, not_counted, review, visitor_days, $1,
    before + cardinality($3) + cardinality($10) + place
FROM counter, unnest(
    $17::text[], $18::date[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[]
) WITH ORDINALITY AS added (advocate_id, quarter_start, raw, counted, not_counted, review, visitor_days, place)
ON CONFLICT ON CONSTRAINT advocate_quarter_pkey DO UPDATE SET
    raw_clicks = known.raw_clicks + excluded.raw_clicks,
    counted_clicks = known.counted_clicks + excluded.counted_clicks,
    not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
    review_clicks = known.review_clicks + excluded.review_clicks,
    visitor_days = known.visitor_days + excluded.visitor_days,
    partition = excluded.partition, change = excluded.change;

-- standings: Where every partition of a stream stands.
SELECT partition, next_offset FROM partition_offset WHERE stream = $1;

-- open_holes: How many seqs are missing, by why.
SELECT kind, sum(seq_to - seq_from + 1)::bigint AS seqs FROM hole WHERE closed_at IS NULL GROUP BY kind;

-- hold_partition: Keep every batch of a partition waiting until this transaction ends; nothing moves.
-- Were we to freeze now, they would wait for as long; Postgres ends our transaction instead.
SELECT set_config('idle_in_transaction_session_timeout', $3, true)
FROM partition_offset WHERE stream = $1 AND partition = $2 FOR UPDATE;

-- hold_every_partition: The same for all of them, in order.
SELECT set_config('idle_in_transaction_session_timeout', $1, true)
FROM partition_offset ORDER BY stream, partition FOR UPDATE;
