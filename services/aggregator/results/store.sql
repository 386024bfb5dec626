-- add_results: Add results to the counts of a partition, as add_counts (aggregator/applying/store.sql) adds clicks: the
-- counter first, then rows in key order, and of a row that is there the results alone. Three lists of rows, each behind
-- its keys: links' days, advocates' days, advocates' quarters.
WITH counter AS (
    INSERT INTO counts_change_counter AS known (partition, last_change) VALUES ($1, $2)
    ON CONFLICT ON CONSTRAINT counts_change_counter_pkey
    DO UPDATE SET last_change = known.last_change + excluded.last_change
    RETURNING last_change - $2 AS before
), link_days AS (
    INSERT INTO link_day AS known (
        link_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, credited_millionths, value_minor,
        by_click_millionths, by_click_value_minor, partition, change
    )
    SELECT link_id, day, 0, 0, 0, 0, credited, value, by_click, by_click_value, $1, before + place
    FROM counter, unnest($3::bigint[], $4::date[], $5::bigint[], $6::numeric[], $7::bigint[], $8::numeric[])
        WITH ORDINALITY AS added (link_id, day, credited, value, by_click, by_click_value, place)
    ON CONFLICT ON CONSTRAINT link_day_pkey DO UPDATE SET
        credited_millionths = known.credited_millionths + excluded.credited_millionths,
        value_minor = known.value_minor + excluded.value_minor,
        by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
        by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
        partition = excluded.partition, change = excluded.change
), advocate_days AS (
    INSERT INTO advocate_day AS known (
        advocate_id, day, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, credited_millionths,
        value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements, partition, change
    )
    SELECT advocate_id, day, 0, 0, 0, 0, credited, value, by_click, by_click_value, shares, sessions, engagements, $1,
        before + cardinality($3) + place
    FROM counter, unnest(
        $9::text[], $10::date[], $11::bigint[], $12::numeric[], $13::bigint[], $14::numeric[], $15::bigint[],
        $16::bigint[], $17::bigint[]
    ) WITH ORDINALITY AS added (
        advocate_id, day, credited, value, by_click, by_click_value, shares, sessions, engagements, place
    )
    ON CONFLICT ON CONSTRAINT advocate_day_pkey DO UPDATE SET
        credited_millionths = known.credited_millionths + excluded.credited_millionths,
        value_minor = known.value_minor + excluded.value_minor,
        by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
        by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
        shares = known.shares + excluded.shares, sessions = known.sessions + excluded.sessions,
        engagements = known.engagements + excluded.engagements,
        partition = excluded.partition, change = excluded.change
)
INSERT INTO advocate_quarter AS known (
    advocate_id, quarter_start, raw_clicks, counted_clicks, not_counted_clicks, review_clicks, credited_millionths,
    value_minor, by_click_millionths, by_click_value_minor, shares, sessions, engagements, partition, change
)
SELECT advocate_id, quarter_start, 0, 0, 0, 0, credited, value, by_click, by_click_value, shares, sessions, engagements,
    $1, before + cardinality($3) + cardinality($9) + place
FROM counter, unnest(
    $18::text[], $19::date[], $20::bigint[], $21::numeric[], $22::bigint[], $23::numeric[], $24::bigint[],
    $25::bigint[], $26::bigint[]
) WITH ORDINALITY AS added (
    advocate_id, quarter_start, credited, value, by_click, by_click_value, shares, sessions, engagements, place
)
ON CONFLICT ON CONSTRAINT advocate_quarter_pkey DO UPDATE SET
    credited_millionths = known.credited_millionths + excluded.credited_millionths,
    value_minor = known.value_minor + excluded.value_minor,
    by_click_millionths = known.by_click_millionths + excluded.by_click_millionths,
    by_click_value_minor = known.by_click_value_minor + excluded.by_click_value_minor,
    shares = known.shares + excluded.shares, sessions = known.sessions + excluded.sessions,
    engagements = known.engagements + excluded.engagements,
    partition = excluded.partition, change = excluded.change;
