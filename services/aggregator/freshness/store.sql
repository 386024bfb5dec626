-- freshness: As of when this transaction reads, and what of every known journal has been applied.
SELECT now() AS as_of,
    (SELECT count(*) FROM watermark) AS watermarks,
    (SELECT min(captured_at) FROM watermark WHERE NOT sealed) AS applied_up_to,
    (SELECT min(captured_after) FROM hole) AS missing_after;
