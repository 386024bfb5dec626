-- has_advocate: Whether there is an advocate of that id.
SELECT EXISTS (SELECT FROM advocate WHERE advocate_id = $1);

-- add_advocates: Make the advocates that are missing, in key order.
INSERT INTO advocate (advocate_id)
SELECT unnest($1::text[]) AS advocate_id ORDER BY advocate_id
ON CONFLICT (advocate_id) DO NOTHING;

-- next_changes: Hand out the next numbers of the links' change counter; its row lock makes them commit in order.
UPDATE link_change_counter SET last_change = last_change + $1 RETURNING last_change - $1 + 1;

-- insert_link: Make one link.
INSERT INTO link (
    code, advocate_id, destination, channel, content_id, category, campaign, tags, expires_at, test, click_id, change
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
RETURNING *;

-- insert_links: Make several links, with consecutive change numbers from $1, and note their destinations.
WITH made AS (
    INSERT INTO link (code, advocate_id, destination, change)
    SELECT w.code, w.advocate_id, w.destination, $1 + w.ordinal - 1
    FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (code, advocate_id, destination, ordinal)
    RETURNING link_id, change, destination
)
INSERT INTO link_destination (link_id, change, destination, set_by)
SELECT link_id, change, destination, $5 FROM made;

-- note_destination: Remember that a link was given this destination, and by which key.
INSERT INTO link_destination (link_id, change, destination, set_by) VALUES ($1, $2, $3, $4);

-- link_by_code: The link behind a code.
SELECT * FROM link WHERE code = $1;

-- links_by_code: The links behind several codes.
SELECT * FROM link WHERE code = ANY($1::text[]);

-- lock_link: The link behind a code, held until the end of the transaction.
SELECT * FROM link WHERE code = $1 FOR UPDATE;

-- update_link: Change what may change of a link.
UPDATE link SET destination = $2, expires_at = $3, disabled_at = $4, click_id = $5, change = $6
WHERE link_id = $1
RETURNING *;

-- changed_links: Links that changed after a number, in the order of their changes.
SELECT * FROM link WHERE change > $1 ORDER BY change LIMIT $2;

-- feed_place: How far changes of links have come, and where: a server that began anew, or another, may have lost some.
SELECT
    last_change,
    (SELECT coalesce(max(link_id), 0) FROM link) AS links,
    pg_postmaster_start_time() AS server_started_at,
    (SELECT oid FROM pg_database WHERE datname = current_database()) AS database_oid
FROM link_change_counter;

-- codes_after: The next codes after a link, in one text, with the last link among them.
SELECT coalesce(string_agg(code, ' '), '') AS codes, coalesce(max(link_id), $1) AS last_link_id
FROM (SELECT link_id, code FROM link WHERE link_id > $1 ORDER BY link_id LIMIT $2) AS page;
