-- Very many conversions are marked page by page: a change of rules holds the programme no longer for each of them, and marks
-- never become as many as there are conversions.

CREATE TABLE conversion_marking (
    marking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency text COLLATE "C",
    since date,
    customer bytea,
    after_at timestamptz NOT NULL DEFAULT '-infinity',
    after_id bigint NOT NULL DEFAULT 0,
    again boolean NOT NULL DEFAULT false,
    asked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversion_marking_currency_key UNIQUE (currency),
    CONSTRAINT conversion_marking_customer_key UNIQUE (customer),
    CONSTRAINT conversion_marking_one_check CHECK (num_nonnulls(currency, customer) <= 1),
    CONSTRAINT conversion_marking_currency_since_check CHECK ((currency IS NULL) = (since IS NULL))
);
