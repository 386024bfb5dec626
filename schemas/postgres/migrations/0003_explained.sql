-- Every number explained: each change of a counts row has a number, a hole and a journal can be closed with a reason,
-- raw clicks have a horizon, and what a rebuild corrects is kept.

CREATE TABLE counts_change_counter (
    partition integer PRIMARY KEY,
    last_change bigint NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE advocate_day ADD COLUMN partition integer, ADD COLUMN change bigint;
ALTER TABLE advocate_quarter ADD COLUMN partition integer, ADD COLUMN change bigint;
ALTER TABLE link_day ADD COLUMN partition integer, ADD COLUMN change bigint;

-- Counts so far get the partition that the clicks behind them came through, and numbers in the order of their keys.
CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
SELECT 'advocate' AS whose, advocate_id AS key, min(partition) AS partition FROM click GROUP BY advocate_id
UNION ALL
SELECT 'link', link_id::text, min(partition) FROM click GROUP BY link_id;
ANALYZE placed;

CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS
SELECT counts, key, start, partition, row_number() OVER (PARTITION BY partition ORDER BY counts, key, start) AS change
FROM (
    SELECT counts, key, start, coalesce(placed.partition, 0) AS partition
    FROM (
        SELECT 'advocate_day' AS counts, 'advocate' AS whose, advocate_id AS key, day AS start FROM advocate_day
        UNION ALL
        SELECT 'advocate_quarter', 'advocate', advocate_id, quarter_start FROM advocate_quarter
        UNION ALL
        SELECT 'link_day', 'link', link_id::text, day FROM link_day
    ) AS rows_so_far
    LEFT JOIN placed USING (whose, key)
) AS rows_placed;
ANALYZE numbered;

UPDATE advocate_day SET partition = numbered.partition, change = numbered.change FROM numbered
WHERE counts = 'advocate_day' AND key = advocate_id AND start = day;
UPDATE advocate_quarter SET partition = numbered.partition, change = numbered.change FROM numbered
WHERE counts = 'advocate_quarter' AND key = advocate_id AND start = quarter_start;
UPDATE link_day SET partition = numbered.partition, change = numbered.change FROM numbered
WHERE counts = 'link_day' AND key = link_id::text AND start = day;
INSERT INTO counts_change_counter SELECT partition, max(change) FROM numbered GROUP BY partition;

ALTER TABLE advocate_day
    ALTER COLUMN partition SET NOT NULL,
    ALTER COLUMN change SET NOT NULL,
    ADD CONSTRAINT advocate_day_partition_change_key UNIQUE (partition, change);
ALTER TABLE advocate_quarter
    ALTER COLUMN partition SET NOT NULL,
    ALTER COLUMN change SET NOT NULL,
    ADD CONSTRAINT advocate_quarter_partition_change_key UNIQUE (partition, change);
ALTER TABLE link_day
    ALTER COLUMN partition SET NOT NULL,
    ALTER COLUMN change SET NOT NULL,
    ADD CONSTRAINT link_day_partition_change_key UNIQUE (partition, change);

ALTER TABLE hole
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_why text,
    ADD CONSTRAINT hole_closed_check CHECK ((closed_at IS NULL) = (closed_why IS NULL));

CREATE TABLE retired_journal (
    journal bytea PRIMARY KEY,
    why text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw_horizon (
    only_row boolean PRIMARY KEY DEFAULT true,
    kept_from date NOT NULL DEFAULT '2000-01-01',
    CONSTRAINT raw_horizon_only_row_check CHECK (only_row)
);
INSERT INTO raw_horizon DEFAULT VALUES;

CREATE TABLE counts_rebuild (
    rebuild_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rebuilt_at timestamptz NOT NULL DEFAULT now(),
    kept_from date NOT NULL,
    clicks bigint NOT NULL,
    rows_compared bigint NOT NULL,
    rows_corrected bigint NOT NULL
);

CREATE TABLE counts_correction (
    rebuild_id bigint NOT NULL,
    counts text NOT NULL,
    key text COLLATE "C" NOT NULL,
    start date NOT NULL,
    before bigint[],
    after bigint[] NOT NULL,
    CONSTRAINT counts_correction_pkey PRIMARY KEY (rebuild_id, counts, key, start),
    CONSTRAINT counts_correction_rebuild_id_fkey FOREIGN KEY (rebuild_id) REFERENCES counts_rebuild (rebuild_id)
);
