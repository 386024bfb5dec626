-- A mark says whose a conversion was before another event came to stand for it: what followed it is looked at, too. And the
-- oldest fact that waits to be attributed is asked for with every answer.

ALTER TABLE conversion_mark ADD COLUMN left_customer bytea;
CREATE INDEX conversion_mark_captured_at_idx ON conversion_mark (captured_at) WHERE captured_at IS NOT NULL;
