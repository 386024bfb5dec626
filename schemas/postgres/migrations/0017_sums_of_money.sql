-- Sums of money outgrow 64 bits where a currency's minor unit is worth little: they are numbers without a limit. Rewrites the
-- counts, for as long as that takes nothing is counted or asked for.

ALTER TABLE advocate_day ALTER COLUMN value_minor TYPE numeric, ALTER COLUMN by_click_value_minor TYPE numeric;
ALTER TABLE advocate_quarter ALTER COLUMN value_minor TYPE numeric, ALTER COLUMN by_click_value_minor TYPE numeric;
ALTER TABLE link_day ALTER COLUMN value_minor TYPE numeric, ALTER COLUMN by_click_value_minor TYPE numeric;
ALTER TABLE counts_correction ALTER COLUMN before TYPE numeric[], ALTER COLUMN after TYPE numeric[];
