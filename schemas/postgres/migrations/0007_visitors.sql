-- Visitors: who holds the slot of a visitor, link and local day, and how many visitors days and quarters have. No click
-- so far had a visitor's key, so none held a slot, and 0 is how many there were.

ALTER TABLE click ADD COLUMN visitor_local boolean NOT NULL DEFAULT false;

CREATE TABLE slot (
    day date NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    visitor text COLLATE "C" NOT NULL,
    link_id bigint NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    journal bytea NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT slot_pkey PRIMARY KEY (day, advocate_id, visitor, link_id)
);

ALTER TABLE advocate_day ADD COLUMN visitors bigint NOT NULL DEFAULT 0;
ALTER TABLE advocate_quarter ADD COLUMN visitor_days bigint NOT NULL DEFAULT 0;
ALTER TABLE link_day ADD COLUMN visitors bigint NOT NULL DEFAULT 0;

ALTER TABLE programme ADD COLUMN repeats text NOT NULL DEFAULT 'day';
ALTER TABLE programme ADD CONSTRAINT programme_repeats_check CHECK (repeats IN ('day', 'none'));
