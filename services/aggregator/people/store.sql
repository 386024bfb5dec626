-- states: What was ever said of some advocates, or of all.
SELECT state_id, advocate_id, valid_from, team, roles, excluded, active FROM advocate_state
WHERE $1::text[] IS NULL OR advocate_id = ANY($1) ORDER BY state_id;

-- names: How advocates are called, where they are.
SELECT advocate_id, display_name FROM advocate WHERE advocate_id = ANY($1::text[]) AND display_name IS NOT NULL;
