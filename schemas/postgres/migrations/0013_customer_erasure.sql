-- Customers that were forgotten: when, why, and how much was theirs. Nothing tells whom.

CREATE TABLE customer_erasure (
    erased_at timestamptz NOT NULL DEFAULT now(),
    why text NOT NULL,
    conversions bigint NOT NULL,
    events bigint NOT NULL
);
