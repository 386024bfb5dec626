-- hold_keys: The rows of some keys, held in the order of their ids, as whoever holds several takes them.
SELECT conversion_id, source, kind, external_id, via, log_offset, journal, seq, customer
FROM unnest($1::text[], $2::text[], $3::text[]) AS named (source, kind, external_id)
JOIN conversion USING (source, kind, external_id)
ORDER BY conversion_id FOR NO KEY UPDATE OF conversion;

-- keep_events: Keep conversions as they were received.
INSERT INTO conversion_event (
    journal, partition, seq, log_offset, occurred_at, captured_at, logged_at, local_day, source, kind, external_id,
    customer, value_minor, currency, via, test, body
)
SELECT * FROM unnest(
    $1::bytea[], $2::integer[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::date[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bigint[], $14::text[], $15::text[],
    $16::boolean[], $17::bytea[]
);

-- keep_touches: Keep which clicks they name. Of the clicks nothing is looked up here: the attributor does.
INSERT INTO conversion_touch (journal, partition, seq, click_journal, click_partition, click_seq, click_on)
SELECT * FROM unnest(
    $1::bytea[], $2::integer[], $3::bigint[], $4::bytea[], $5::integer[], $6::bigint[], $7::date[]
);

-- begin: Give new keys their rows, unless somebody has meanwhile.
INSERT INTO conversion (
    source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at, customer,
    names_clicks, value_minor, currency, test
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::integer[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[],
    $9::timestamptz[], $10::date[], $11::timestamptz[], $12::bytea[], $13::boolean[], $14::bigint[], $15::text[],
    $16::boolean[]
)
ON CONFLICT ON CONSTRAINT conversion_source_kind_external_id_key DO NOTHING
RETURNING conversion_id, source, kind, external_id;

-- change_holders: Let rows say what other events of their keys say. What became of the conversion stays until it is
-- attributed anew.
UPDATE conversion SET
    partition = held.partition, journal = held.journal, seq = held.seq, log_offset = held.log_offset, via = held.via,
    occurred_at = held.occurred_at, local_day = held.local_day, logged_at = held.logged_at, customer = held.customer,
    names_clicks = held.names_clicks, value_minor = held.value_minor, currency = held.currency, test = held.test
FROM unnest(
    $1::bigint[], $2::integer[], $3::bytea[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[], $8::date[],
    $9::timestamptz[], $10::bytea[], $11::boolean[], $12::bigint[], $13::text[], $14::boolean[]
) AS held (
    conversion_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at, customer, names_clicks,
    value_minor, currency, test
)
WHERE conversion.conversion_id = held.conversion_id;

-- keep_reversals: Keep reversals, of several with one name the first in the log; and of which conversion each is that was new
-- or came before the one that was there.
WITH kept AS (
    INSERT INTO reversal AS known (
        source, kind, external_id, reversal_id, journal, partition, seq, log_offset, occurred_at, value_minor
    )
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::integer[], $7::bigint[], $8::bigint[],
        $9::timestamptz[], $10::bigint[]
    )
    ON CONFLICT ON CONSTRAINT reversal_pkey DO UPDATE SET
        journal = excluded.journal, partition = excluded.partition, seq = excluded.seq, log_offset = excluded.log_offset,
        occurred_at = excluded.occurred_at, value_minor = excluded.value_minor, applied_at = now()
    WHERE (excluded.log_offset, excluded.journal, excluded.seq) < (known.log_offset, known.journal, known.seq)
    RETURNING source, kind, external_id, reversal_id
)
SELECT source, kind, external_id, conversion_id, NOT EXISTS ( -- as it was before this statement
    SELECT FROM reversal
    WHERE (reversal.source, reversal.kind, reversal.external_id, reversal.reversal_id)
        = (kept.source, kept.kind, kept.external_id, kept.reversal_id)
) AS is_new
FROM kept LEFT JOIN conversion USING (source, kind, external_id);
