-- find_plan: What the first import of a file decided.
SELECT sha256, format, line_count, taken, captured_at FROM click_import WHERE journal = $1;

-- insert_plan: Pin the decision; a second import at the same time waits here and then follows the first.
INSERT INTO click_import (journal, sha256, format, line_count, taken, captured_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (journal) DO NOTHING RETURNING journal;
