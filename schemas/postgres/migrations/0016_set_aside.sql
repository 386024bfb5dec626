-- A conversion that cannot be attributed is set aside, and the others go on. And one that a rate makes too large says so.

ALTER TABLE conversion_mark
    ADD COLUMN set_aside_at timestamptz,
    ADD COLUMN error text,
    ADD CONSTRAINT conversion_mark_set_aside_at_error_check CHECK (num_nulls(set_aside_at, error) IN (0, 2));
CREATE INDEX conversion_mark_set_aside_at_idx ON conversion_mark (set_aside_at) WHERE set_aside_at IS NOT NULL;

ALTER TABLE conversion
    DROP CONSTRAINT conversion_state_check,
    ADD CONSTRAINT conversion_state_check CHECK (
        state IN (
            'received', 'credited', 'pending_click', 'unknown_click', 'outside_window', 'precedes_click', 'self',
            'not_counted_click', 'unknown_currency', 'value_too_large', 'reversed', 'test'
        )
    );
