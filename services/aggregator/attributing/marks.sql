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

-- mark_by_currency: Mark every conversion of a currency from a local day on.
INSERT INTO conversion_mark (conversion_id)
SELECT conversion_id FROM conversion WHERE currency = $1 AND local_day >= $2;

-- mark_all: Mark every conversion, under the lock that bars attributors: one that is marked already is looked at after it.
INSERT INTO conversion_mark (conversion_id)
SELECT conversion_id FROM conversion WHERE NOT EXISTS (
    SELECT FROM conversion_mark WHERE conversion_mark.conversion_id = conversion.conversion_id
);
