-- Raw clicks of old dates can be let go, and nobody waits long for it; making a date waits for no vacuum of another one.

CREATE FUNCTION click_day_let_go(gone date) RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
BEGIN
    LOCK TABLE ONLY click IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'click_' || to_char(gone, 'YYYYMMDD'));
    UPDATE raw_horizon SET kept_from = greatest(kept_from, gone + 1);
END
$$;

CREATE OR REPLACE FUNCTION click_day_ensure(wanted date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := 'click_' || to_char(wanted, 'YYYYMMDD');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE ONLY click IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE click INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format('ALTER TABLE click ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, wanted, wanted + 1);
END
$$;
