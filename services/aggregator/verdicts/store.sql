-- clicks_named: Clicks by their names, as they are judged.
SELECT partition, log_offset, journal, seq, occurred_on, local_day, advocate_id, link_id, visitor, verdict, reasons,
    rules_version, verdict_version
FROM unnest($1::bytea[], $2::integer[], $3::bigint[]) AS named (journal, partition, seq)
JOIN click USING (journal, partition, seq);

-- clicks_of_slots: Every click of some slots. An advocate's day is read once, however many slots of it are asked for; a
-- local day touches at most three UTC dates.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::bigint[]) AS asked (day, advocate_id, visitor, link_id)
)
SELECT partition, log_offset, journal, seq, occurred_on, local_day, stored.advocate_id, stored.link_id, stored.visitor,
    verdict, reasons, rules_version, verdict_version
FROM (SELECT DISTINCT day, advocate_id FROM asked) AS days
CROSS JOIN LATERAL (
    SELECT * FROM click
    WHERE advocate_id = days.advocate_id AND local_day = days.day AND occurred_on BETWEEN days.day - 1 AND days.day + 1
        AND visitor IS NOT NULL
    OFFSET 0
) AS stored
JOIN asked ON asked.day = stored.local_day AND asked.advocate_id = stored.advocate_id
    AND asked.visitor = stored.visitor AND asked.link_id = stored.link_id;

-- slots_of_visitors: Every slot that some visitors hold of an advocate on a day, and which click it is.
SELECT day, advocate_id, visitor, link_id, partition, log_offset, journal, seq
FROM unnest($1::date[], $2::text[], $3::text[]) AS asked (day, advocate_id, visitor)
JOIN slot USING (day, advocate_id, visitor);

-- judge_anew: Judge a click anew, and keep what its verdict was, what it is and why.
WITH judged AS (
    UPDATE click SET verdict = $5, reasons = $6, rules_version = $7, verdict_version = click.verdict_version + 1
    FROM click AS before
    WHERE click.journal = $1 AND click.partition = $2 AND click.seq = $3 AND click.occurred_on = $4
        AND before.journal = $1 AND before.partition = $2 AND before.seq = $3 AND before.occurred_on = $4
    RETURNING click.verdict_version, before.verdict AS old_verdict, before.reasons AS old_reasons,
        before.rules_version AS old_rules_version
)
INSERT INTO verdict_change (
    journal, partition, seq, verdict_version, verdict, reasons, rules_version, old_verdict, old_reasons,
    old_rules_version, cause, why, changed_by
)
SELECT $1, $2, $3, verdict_version, $5, $6, $7, old_verdict, old_reasons, old_rules_version, $8, $9, $10 FROM judged;

-- put_slots: Who holds slots from now on.
INSERT INTO slot AS known (day, advocate_id, visitor, link_id, partition, log_offset, journal, seq)
SELECT * FROM unnest(
    $1::date[], $2::text[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::bytea[], $8::bigint[]
)
ON CONFLICT ON CONSTRAINT slot_pkey DO UPDATE SET
    partition = excluded.partition, log_offset = excluded.log_offset, journal = excluded.journal, seq = excluded.seq;

-- drop_slots: Nobody holds these any more.
DELETE FROM slot USING unnest($1::date[], $2::text[], $3::text[], $4::bigint[])
    AS gone (day, advocate_id, visitor, link_id)
WHERE (slot.day, slot.advocate_id, slot.visitor, slot.link_id) = (gone.day, gone.advocate_id, gone.visitor, gone.link_id);

-- changes_of: How often and why the verdict of a click was changed, the oldest first.
SELECT verdict_version, verdict, reasons, rules_version, old_verdict, old_reasons, old_rules_version, cause, why,
    changed_by, changed_at
FROM verdict_change WHERE journal = $1 AND partition = $2 AND seq = $3 ORDER BY verdict_version;
