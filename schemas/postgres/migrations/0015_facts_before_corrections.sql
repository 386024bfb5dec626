-- Marks are taken in this order: those of facts come before those that only correct, of which there may be millions.

DROP INDEX conversion_mark_captured_at_idx;
CREATE INDEX conversion_mark_captured_at_idx ON conversion_mark (captured_at, mark_id);
