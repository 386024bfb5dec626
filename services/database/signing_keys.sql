-- make_first: Make the first key, unless there is one; of several who try at once, one does.
INSERT INTO signing_key (key_id, generation, secret)
SELECT 0, 0, $1 WHERE NOT EXISTS (SELECT FROM signing_key)
ON CONFLICT DO NOTHING;

-- secrets: Every key's secret, the one that signs last.
SELECT key_id, secret FROM signing_key ORDER BY generation;

-- list_keys: Every key, the newest first; never a secret.
SELECT key_id, generation, made_at, retired_at FROM signing_key ORDER BY generation DESC;

-- hold: Let one rotation in at a time, and no retiring beside it.
LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE;

-- add_key: Make the next key; it takes over its id from a retired one when all are used up, and from no other.
INSERT INTO signing_key (key_id, generation, secret)
SELECT (newest.generation + 1) % 256, newest.generation + 1, $1
FROM (SELECT coalesce(max(generation), -1) AS generation FROM signing_key) AS newest
ON CONFLICT (key_id) DO UPDATE
SET generation = excluded.generation, secret = excluded.secret, made_at = now(), retired_at = NULL
WHERE signing_key.retired_at IS NOT NULL
RETURNING key_id, generation, made_at, retired_at;

-- retire_key: End a key and erase its secret.
UPDATE signing_key SET secret = NULL, retired_at = coalesce(retired_at, now()) WHERE key_id = $1;
