-- What click ids are signed with. The first key is made by the first redirector that looks.

CREATE TABLE signing_key (
    key_id smallint PRIMARY KEY,
    generation integer NOT NULL,
    secret bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    CONSTRAINT signing_key_generation_key UNIQUE (generation),
    CONSTRAINT signing_key_key_id_check CHECK (key_id = generation % 256),
    CONSTRAINT signing_key_secret_check CHECK (num_nulls(secret, retired_at) = 1 AND length(secret) = 32)
);
