-- hold_conversions: Hold a customer's conversions, in the order in which everybody does.
SELECT conversion_id FROM conversion WHERE customer = $1 ORDER BY conversion_id FOR NO KEY UPDATE;

-- erase_conversions: Put a token ($2) in the place of a customer ($1).
UPDATE conversion SET customer = $2 WHERE customer = $1;

-- erase_events: The same in what was received. A body's digest tells who the customer was to whoever guesses: it goes.
UPDATE conversion_event SET customer = $2, body = NULL WHERE customer = $1 RETURNING 1;

-- erase_marks: And in marks: a takeover leaves there whose conversion it was.
UPDATE conversion_mark SET left_customer = $2 WHERE left_customer = $1;

-- erase_markings: And where their conversions are still to be marked.
UPDATE conversion_marking SET customer = $2 WHERE customer = $1;

-- keep: Keep that somebody was erased, and why; nothing tells whom.
INSERT INTO customer_erasure (why, conversions, events) VALUES ($1, $2, $3);
