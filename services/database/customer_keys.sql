-- make_first: Keep the key that is offered, unless there is one; of several who offer one at once, one does.
INSERT INTO customer_key (secret) VALUES ($1) ON CONFLICT DO NOTHING;

-- key: The secret that customers' ids are hashed under.
SELECT secret FROM customer_key;
