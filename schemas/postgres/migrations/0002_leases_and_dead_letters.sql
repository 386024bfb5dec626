-- Partitions are leased to aggregators that say they are alive, a partition can stand still until a person has decided,
-- and a dead letter has an end: replayed or discarded.

CREATE TABLE aggregator_lease (
    owner text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE partition_offset
    ADD COLUMN stopped text,
    ADD COLUMN stopped_detail text,
    ADD COLUMN stopped_at timestamptz,
    ADD CONSTRAINT partition_offset_stopped_check CHECK (num_nulls(stopped, stopped_detail, stopped_at) IN (0, 3));

CREATE TABLE offset_reset (
    reset_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    stopped text,
    why text NOT NULL,
    reset_at timestamptz NOT NULL DEFAULT now()
);

-- A topic that is made anew counts its offsets anew: an offset alone does not name a dead letter.
ALTER TABLE dead_letter
    DROP CONSTRAINT dead_letter_pkey,
    ADD COLUMN dead_letter_id bigint GENERATED ALWAYS AS IDENTITY,
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (dead_letter_id),
    ALTER COLUMN journal DROP NOT NULL,
    ALTER COLUMN seq DROP NOT NULL,
    ADD COLUMN closed_as text,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_why text,
    ADD COLUMN replacement bytea,
    ADD COLUMN relayed_at timestamptz,
    ADD CONSTRAINT dead_letter_journal_seq_check CHECK ((journal IS NULL) = (seq IS NULL)),
    ADD CONSTRAINT dead_letter_closed_as_check CHECK (closed_as IN ('replayed', 'discarded')),
    ADD CONSTRAINT dead_letter_closed_check CHECK ((closed_as IS NULL) = (closed_at IS NULL));
CREATE INDEX dead_letter_log_offset_idx ON dead_letter (stream, partition, log_offset);
CREATE INDEX dead_letter_unrelayed_idx ON dead_letter (dead_at) WHERE relayed_at IS NULL;
