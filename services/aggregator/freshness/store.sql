-- freshness: As of when this transaction reads, and what of every known journal has been applied.
SELECT now() AS as_of,
    (SELECT count(*) FROM watermark) AS watermarks,
    -- A journal of which nothing could be read yet (1970) is known by its hole alone, until that is closed.
    (SELECT min(captured_at) FROM watermark WHERE NOT sealed AND captured_at > 'epoch') AS applied_up_to,
    (SELECT min(captured_after) FROM hole) AS missing_after,
    (
        SELECT min(known_since) FROM (
            SELECT min(first_captured_at) AS known_since FROM watermark
            WHERE sealed OR captured_at > 'epoch' GROUP BY journal, stream
            HAVING count(*) < (SELECT count(*) FROM partition_offset WHERE partition_offset.stream = watermark.stream)
        ) AS heard_in_part
    ) AS unheard_after;
