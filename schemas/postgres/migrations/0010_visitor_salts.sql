-- What visitors' keys of a local day are made with, shared by all redirectors, let go of two days after it. Unlogged, so that
-- no write-ahead log, standby or archive holds what is to be forgotten; redirectors fill it again after a crash.

CREATE UNLOGGED TABLE visitor_salt (
    day date PRIMARY KEY,
    salt bytea NOT NULL,
    CONSTRAINT visitor_salt_salt_check CHECK (length(salt) = 32)
);
