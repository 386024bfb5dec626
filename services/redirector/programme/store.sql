-- programme: The programme as it is.
SELECT timezone, click_ids, click_id_name, browser_origins, browser_money FROM programme;
