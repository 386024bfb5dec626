-- programme: The programme as it is.
SELECT
    timezone,
    click_ids,
    click_id_name,
    browser_origins,
    browser_money,
    greatest(
        attribution_window_s,
        (SELECT max(window_s::bigint) FROM jsonb_each_text(attribution_windows_s) AS windows (kind, window_s))
    ) AS longest_window_s
FROM programme;
