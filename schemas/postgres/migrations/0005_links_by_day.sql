-- A day of all links is found without reading all others. Rows of a day lie together, so a few bytes a page do for that,
-- and a click costs no more than before.

CREATE INDEX link_day_day_idx ON link_day USING brin (day) WITH (pages_per_range = 32, autosummarize = on);
