-- advocates_between: The next $4 advocates after $1 who have clicks or credits between two local days.
SELECT advocate_id FROM (
    SELECT advocate_id FROM advocate_day WHERE day BETWEEN $2 AND $3 AND raw_clicks > 0
    UNION SELECT advocate_id FROM credit WHERE day BETWEEN $2 AND $3 AND counted_millionths > 0
) AS had WHERE advocate_id > $1 ORDER BY advocate_id LIMIT $4;

-- clicks_between: The counted clicks of some advocates between two local days, which lie in the UTC dates from $4 to $5.
SELECT advocate_id, local_day, occurred_at, journal, partition, seq, link_id, visitor FROM click
WHERE advocate_id = ANY($1::text[]) AND local_day BETWEEN $2 AND $3 AND occurred_on BETWEEN $4 AND $5
    AND verdict = 'counted';

-- credits_between: What some advocates earn of conversions between two local days, under the model that counts.
SELECT credit.advocate_id, credit.day, conversion.occurred_at, conversion_id, credit.link_id, counted_millionths,
    credit.value_minor
FROM credit JOIN conversion USING (conversion_id)
WHERE credit.advocate_id = ANY($1::text[]) AND credit.day BETWEEN $2 AND $3 AND counted_millionths > 0;

-- traits_of: What multipliers go by, of some links that have any of it.
SELECT link_id, category, channel FROM link
WHERE link_id = ANY($1::bigint[]) AND num_nonnulls(category, channel) > 0;
