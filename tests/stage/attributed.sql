-- events: Every conversion as it was received.
SELECT source, kind, external_id, via <> 'api', log_offset, journal, partition, seq, occurred_at, logged_at, local_day,
    customer, value_minor, currency, test
FROM conversion_event;

-- touches: What each names, and the click as it is judged now.
SELECT named.journal, named.partition, named.seq, click_journal, click_partition, click_seq, click.occurred_at,
    click.local_day, click.advocate_id, click.link_id, click.verdict, click.reasons, click.self_click, click.test
FROM conversion_touch AS named
LEFT JOIN click ON (click.journal, click.partition, click.seq) = (click_journal, click_partition, click_seq);

-- reversals: What was taken back.
SELECT source, kind, external_id, value_minor FROM reversal;

-- rates: Every rate.
SELECT base, currency, valid_from, rate FROM rate;

-- programme: By which rules it credits.
SELECT currency, attribution_model, attribution_window_s, attribution_windows_s::text, half_life_s, earning, pending_s
FROM programme;

-- conversion: What became of each conversion.
SELECT conversion.source, conversion.kind, conversion.external_id, conversion.state, binder.external_id,
    conversion.credited_value_minor
FROM conversion LEFT JOIN conversion AS binder ON binder.conversion_id = conversion.follows;

-- credit: Who is credited.
SELECT source, kind, external_id, credit.journal, credit.partition, credit.seq, advocate_id, link_id, day, click_day,
    last, first, linear, "position", time_decay, counted_millionths, credit.value_minor
FROM credit JOIN conversion USING (conversion_id);

-- advocate_day: What of it is in the counts of advocates' days.
SELECT advocate_id, day, credited_millionths, value_minor, by_click_millionths, by_click_value_minor FROM advocate_day;

-- advocate_quarter: What of it is in those of their quarters.
SELECT advocate_id, quarter_start, credited_millionths, value_minor, by_click_millionths, by_click_value_minor
FROM advocate_quarter;

-- link_day: What of it is in those of links.
SELECT link_id, day, credited_millionths, value_minor, by_click_millionths, by_click_value_minor FROM link_day;
