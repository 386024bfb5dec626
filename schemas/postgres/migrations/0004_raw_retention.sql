-- Raw clicks of old dates can be let go, and nobody waits long for it.

CREATE FUNCTION click_day_let_go(gone date) RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
BEGIN
    LOCK TABLE click IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'click_' || to_char(gone, 'YYYYMMDD'));
    UPDATE raw_horizon SET kept_from = greatest(kept_from, gone + 1);
END
$$;
