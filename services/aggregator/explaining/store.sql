-- event: A conversion as received, by its name.
SELECT * FROM conversion_event WHERE journal = $1 AND partition = $2 AND seq = $3;

-- conversion_of_key: The conversion of a key.
SELECT * FROM conversion WHERE source = $1 AND kind = $2 AND external_id = $3;

-- conversions: Conversions by their ids.
SELECT * FROM conversion WHERE conversion_id = ANY($1);

-- conversions_in_state: Conversions in a state, after an id; 'credited' is none of these, for an index has all others.
SELECT * FROM conversion WHERE state = $1 AND state <> 'credited' AND conversion_id > $2 ORDER BY conversion_id LIMIT $3;

-- conversions_credited: Conversions that are credited, after an id.
SELECT * FROM conversion WHERE state = 'credited' AND conversion_id > $1 ORDER BY conversion_id LIMIT $2;

-- events: The first $4 events of each key, by its number, its holder first, which is the first in this order.
SELECT key_number, event.*
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS wanted (source, kind, external_id, key_number)
CROSS JOIN LATERAL (
    SELECT * FROM conversion_event
    WHERE (conversion_event.source, conversion_event.kind, conversion_event.external_id)
        = (wanted.source, wanted.kind, wanted.external_id)
    ORDER BY via <> 'api', log_offset, journal, seq LIMIT $4
) AS event
ORDER BY key_number, via <> 'api', log_offset, journal, seq;

-- reversals: The first $4 reversals of each key, by its number.
SELECT key_number, reversal.*
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS wanted (source, kind, external_id, key_number)
CROSS JOIN LATERAL (
    SELECT * FROM reversal
    WHERE (reversal.source, reversal.kind, reversal.external_id) = (wanted.source, wanted.kind, wanted.external_id)
    ORDER BY reversal_id LIMIT $4
) AS reversal
ORDER BY key_number, occurred_at, reversal_id;

-- touches: The clicks that events name, in the order in which they were made; those that are not known last.
SELECT touch.* FROM unnest($1::bytea[], $2::integer[], $3::bigint[]) AS naming (journal, partition, seq)
JOIN conversion_touch AS touch USING (journal, partition, seq)
ORDER BY touch.clicked_at, touch.click_journal, touch.click_partition, touch.click_seq;

-- credits: What conversions credit.
SELECT * FROM credit WHERE conversion_id = ANY($1);

-- results: The results in counts rows: of advocates' days ($1, $2), of their quarters ($3, $4), of links' days ($5, $6).
SELECT 'advocate_day' AS counts, advocate_id AS key, day AS start, credited_millionths, value_minor,
    by_click_millionths, by_click_value_minor
FROM unnest($1::text[], $2::date[]) AS wanted (advocate_id, day) JOIN advocate_day USING (advocate_id, day)
UNION ALL
SELECT 'advocate_quarter', advocate_id, quarter_start, credited_millionths, value_minor, by_click_millionths,
    by_click_value_minor
FROM unnest($3::text[], $4::date[]) AS wanted (advocate_id, quarter_start)
JOIN advocate_quarter USING (advocate_id, quarter_start)
UNION ALL
SELECT 'link_day', link_id::text, day, credited_millionths, value_minor, by_click_millionths, by_click_value_minor
FROM unnest($5::bigint[], $6::date[]) AS wanted (link_id, day) JOIN link_day USING (link_id, day);

-- waiting: How many conversions are in some states ($1), of which 'credited' is none: an index has all others.
SELECT state, count(*) AS conversions FROM conversion
WHERE state = ANY($1::text[]) AND state <> 'credited' GROUP BY state;

-- marks: How many marks nobody has taken yet, how many seconds ago the oldest of a fact was made (those that correct come
-- after all of these, and may be very many), how many conversions are set aside, and for how many changes more are still
-- to be marked.
SELECT count(*) FILTER (WHERE set_aside_at IS NULL) AS marks,
    coalesce(
        extract(epoch FROM now() - min(marked_at) FILTER (WHERE set_aside_at IS NULL AND captured_at IS NOT NULL)), 0
    )::float8 AS oldest_s,
    count(DISTINCT conversion_id) FILTER (WHERE set_aside_at IS NOT NULL) AS set_aside,
    (SELECT count(*) FROM conversion_marking) AS markings
FROM conversion_mark;
