-- salts: What time it is for all redirectors, and the salts they share: one row without a day where there are none.
SELECT now() AS clock, day, salt FROM (SELECT) AS once LEFT JOIN visitor_salt ON true;

-- offer: Share salts for days that have none. Who comes second waits for who came first, and changes nothing.
INSERT INTO visitor_salt (day, salt)
SELECT day, salt FROM unnest($1::date[], $2::bytea[]) AS offered (day, salt) ORDER BY day
ON CONFLICT (day) DO NOTHING;

-- wait_briefly: For the lock that comes next: meanwhile others wait behind us.
SET LOCAL lock_timeout = '200ms';

-- hold: Nobody else reads or writes salts until this transaction ends.
LOCK TABLE visitor_salt IN ACCESS EXCLUSIVE MODE;

-- salts_from: The salts of a day and of those after it.
SELECT day, salt FROM visitor_salt WHERE day >= $1;

-- empty: Begin a new file: what is only deleted lies in the old one until its page is written over.
TRUNCATE visitor_salt;
