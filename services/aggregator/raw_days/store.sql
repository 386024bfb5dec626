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
