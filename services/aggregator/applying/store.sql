-- make_offset: Begin a partition's offset row, once.
INSERT INTO partition_offset (stream, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- claim: Take a partition over; the epoch fences whoever had it.
UPDATE partition_offset SET owner = $3, owner_epoch = owner_epoch + 1, updated_at = now()
WHERE stream = $1 AND partition = $2 RETURNING next_offset, owner_epoch;

-- standing: Where a partition stands and whose it is.
SELECT next_offset, owner, owner_epoch FROM partition_offset WHERE stream = $1 AND partition = $2;

-- move_offset: First statement of a batch: move the offset from where we believe it to be, or nothing at all.
UPDATE partition_offset SET next_offset = $3, updated_at = now()
WHERE stream = $1 AND partition = $2 AND next_offset = $4 AND owner_epoch = $5
RETURNING true;

-- ensure_day: Make the raw partition of a UTC date.
SELECT click_day_ensure($1);

-- watermarks: How far some journals are applied in a partition.
SELECT journal, seq, captured_at, sealed, first_captured_at FROM watermark
WHERE stream = $1 AND partition = $2 AND journal = ANY($3::bytea[]);

-- holes: The open holes of some journals in a partition.
SELECT journal, seq_from, seq_to, kind, captured_after FROM hole
WHERE stream = $1 AND partition = $2 AND journal = ANY($3::bytea[]);

-- put_watermarks: Move watermarks on; first_captured_at stays what it was at first.
INSERT INTO watermark AS known (stream, partition, journal, seq, captured_at, sealed, first_captured_at)
SELECT $1, $2, * FROM unnest($3::bytea[], $4::bigint[], $5::timestamptz[], $6::boolean[], $7::timestamptz[])
ON CONFLICT ON CONSTRAINT watermark_pkey DO UPDATE
SET seq = excluded.seq, captured_at = excluded.captured_at, sealed = excluded.sealed;

-- drop_holes: Take away holes that were filled or have other ends now.
DELETE FROM hole USING unnest($3::bytea[], $4::bigint[]) AS gone (journal, seq_from)
WHERE stream = $1 AND partition = $2 AND hole.journal = gone.journal AND hole.seq_from = gone.seq_from;

-- put_holes: Remember holes.
INSERT INTO hole (stream, partition, journal, seq_from, seq_to, kind, captured_after)
SELECT $1, $2, * FROM unnest($3::bytea[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[]);

-- put_dead_letters: Keep records that cannot be applied.
INSERT INTO dead_letter (stream, partition, log_offset, journal, seq, value, reason, detail, logged_at)
SELECT $1, $2, * FROM unnest(
    $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::text[], $8::text[], $9::timestamptz[]
);

-- add_advocate_day: Add to the counts of advocates' days, in key order.
INSERT INTO advocate_day AS known (advocate_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT ON CONSTRAINT advocate_day_pkey DO UPDATE SET
    raw_clicks = known.raw_clicks + excluded.raw_clicks,
    counted_clicks = known.counted_clicks + excluded.counted_clicks,
    not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
    review_clicks = known.review_clicks + excluded.review_clicks;

-- add_advocate_quarter: Add to the counts of advocates' quarters, in key order.
INSERT INTO advocate_quarter AS known (
    advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks
)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT ON CONSTRAINT advocate_quarter_pkey DO UPDATE SET
    raw_clicks = known.raw_clicks + excluded.raw_clicks,
    counted_clicks = known.counted_clicks + excluded.counted_clicks,
    not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
    review_clicks = known.review_clicks + excluded.review_clicks;

-- add_link_day: Add to the counts of links' days, in key order.
INSERT INTO link_day AS known (link_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks)
SELECT * FROM unnest($1::bigint[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT ON CONSTRAINT link_day_pkey DO UPDATE SET
    raw_clicks = known.raw_clicks + excluded.raw_clicks,
    counted_clicks = known.counted_clicks + excluded.counted_clicks,
    not_counted_clicks = known.not_counted_clicks + excluded.not_counted_clicks,
    review_clicks = known.review_clicks + excluded.review_clicks;

-- standings: Where every partition of a stream stands.
SELECT partition, next_offset FROM partition_offset WHERE stream = $1;

-- open_holes: How many seqs are missing, by why.
SELECT kind, sum(seq_to - seq_from + 1)::bigint AS seqs FROM hole GROUP BY kind;
