-- hold_raw: No raw partition is dropped until this transaction ends. To be its first statement: the snapshot comes after it.
LOCK TABLE ONLY click IN ACCESS SHARE MODE;

-- horizon: From which UTC date on raw clicks are kept.
SELECT kept_from FROM raw_horizon;

-- days_before: The UTC dates before one that have a raw partition. Names are read of these alone, hence MATERIALIZED: other
-- tables' names, which a plan may come by first, are no dates.
WITH raw_date AS MATERIALIZED (
    SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'click'::regclass
)
SELECT day FROM raw_date WHERE day < $1 ORDER BY day;

-- let_go: Drop the raw partition of a UTC date and move the horizon; fails at once where raw clicks are being read.
SELECT click_day_let_go($1);

-- let_slots_go: Forget who holds the slots of local days whose raw clicks were all let go, $1 at most: a local day lies
-- within a day of its UTC date. One that a batch works on is left for the next round.
WITH gone AS (
    SELECT day, advocate_id, visitor, link_id FROM slot WHERE day < (SELECT kept_from FROM raw_horizon) - 1
    LIMIT $1 FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM slot USING gone
    WHERE (slot.day, slot.advocate_id, slot.visitor, slot.link_id)
        = (gone.day, gone.advocate_id, gone.visitor, gone.link_id)
)
SELECT count(*) FROM gone;
