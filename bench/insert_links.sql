WITH advocates AS (
    INSERT INTO advocate (advocate_id) SELECT 'bench' || n FROM generate_series(0, 999) AS n
    ON CONFLICT DO NOTHING RETURNING advocate_id
)
INSERT INTO link (code, advocate_id, destination, change)
SELECT code, 'bench' || ordinal % 1000, 'https://www.example.com/landing/' || code, -ordinal
FROM unnest($1::text[]) WITH ORDINALITY AS c (code, ordinal)
