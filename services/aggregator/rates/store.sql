-- set_rates: Set rates into a base ($1); those that are new or others now come out.
INSERT INTO rate (base, currency, valid_from, rate)
SELECT $1, given.* FROM unnest($2::text[], $3::date[], $4::numeric[]) AS given
ON CONFLICT (base, currency, valid_from) DO UPDATE SET rate = excluded.rate, set_at = now()
WHERE rate.rate <> excluded.rate
RETURNING currency, valid_from;

-- rates: The rates into a base ($1), of one currency unless $2 is null, after a key.
SELECT currency, valid_from, rate, set_at FROM rate
WHERE base = $1 AND ($2::text IS NULL OR currency = $2) AND (currency, valid_from) > ($3, $4)
ORDER BY currency, valid_from LIMIT $5;

-- missing: Currencies that conversions wait for a rate of.
SELECT currency, min(local_day) AS first_day, count(*) AS conversions
FROM conversion WHERE state = 'unknown_currency' GROUP BY currency ORDER BY currency;
