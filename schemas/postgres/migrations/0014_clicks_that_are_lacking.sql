-- A conversion says whether clicks that it names were not found: what looks for them asks for nothing else. Touches alone do
-- not tell: those of an event that stands for no conversion are never found, and become ever more.

ALTER TABLE conversion ADD COLUMN lacks_clicks boolean NOT NULL DEFAULT false;
UPDATE conversion SET lacks_clicks = true
FROM conversion_touch AS touch
WHERE touch.journal = conversion.journal AND touch.partition = conversion.partition AND touch.seq = conversion.seq
    AND clicked_at IS NULL;
CREATE INDEX conversion_lacks_clicks_idx ON conversion (waits_until) WHERE lacks_clicks;
DROP INDEX conversion_touch_unknown_idx;
