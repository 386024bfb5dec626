-- insert_key: Store a new key; only the hash of its secret.
INSERT INTO api_key (key_id, name, secret_sha256, scopes) VALUES ($1, $2, $3, $4);

-- live_key: What a live key's secret must hash to, and what it may do.
SELECT secret_sha256, scopes FROM api_key WHERE key_id = $1 AND revoked_at IS NULL;

-- list_keys: Every key, the newest first; never a secret.
SELECT key_id, name, scopes, created_at, revoked_at FROM api_key ORDER BY created_at DESC, key_id;

-- revoke_key: End a key; its row stays, for what it did is recorded under it.
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1 RETURNING key_id;
