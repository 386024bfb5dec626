-- add_advocates: Make the advocates that are missing, in key order; who they are.
INSERT INTO advocate (advocate_id)
SELECT unnest($1::text[]) AS advocate_id ORDER BY advocate_id
ON CONFLICT (advocate_id) DO NOTHING
RETURNING advocate_id;

-- hold_advocates: Advocates of whom nobody else says anything before this transaction ends, in key order.
SELECT advocate_id, display_name, public_standings, created_at, updated_at FROM advocate
WHERE advocate_id = ANY($1::text[]) ORDER BY advocate_id FOR NO KEY UPDATE;

-- states_of: What was said of some advocates, in that order.
SELECT state_id, advocate_id, valid_from, team, roles, excluded, active, set_at, set_by FROM advocate_state
WHERE advocate_id = ANY($1::text[]) ORDER BY state_id;

-- put_advocates: Change what is said of advocates for all times.
UPDATE advocate SET display_name = said.display_name, public_standings = said.public_standings, updated_at = now()
FROM unnest($1::text[], $2::text[], $3::boolean[]) AS said (advocate_id, display_name, public_standings)
WHERE advocate.advocate_id = said.advocate_id
RETURNING advocate.advocate_id, advocate.display_name, advocate.public_standings, created_at, updated_at;

-- add_state: Say what holds of an advocate from a day on.
INSERT INTO advocate_state (advocate_id, valid_from, team, roles, excluded, active, set_by)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- find_advocate: An advocate.
SELECT advocate_id, display_name, public_standings, created_at, updated_at FROM advocate WHERE advocate_id = $1;
