-- What becomes of verdicts after they were given: what each was, what it is and why.

CREATE TABLE verdict_change (
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    verdict_version integer NOT NULL,
    verdict text NOT NULL,
    reasons text[] NOT NULL,
    rules_version text NOT NULL,
    old_verdict text NOT NULL,
    old_reasons text[] NOT NULL,
    old_rules_version text NOT NULL,
    cause text NOT NULL,
    why text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verdict_change_pkey PRIMARY KEY (journal, partition, seq, verdict_version)
);
