-- People: in which team an advocate is, in which roles, and whether they take part, each from a local day on.

ALTER TABLE advocate ADD COLUMN public_standings boolean NOT NULL DEFAULT true;

CREATE TABLE advocate_state (
    state_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    advocate_id text COLLATE "C" NOT NULL,
    valid_from date NOT NULL,
    team text COLLATE "C" NOT NULL,
    roles text[] NOT NULL,
    excluded boolean NOT NULL,
    active boolean NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text NOT NULL,
    CONSTRAINT advocate_state_advocate_id_fkey FOREIGN KEY (advocate_id) REFERENCES advocate (advocate_id)
);
CREATE INDEX advocate_state_advocate_id_idx ON advocate_state (advocate_id, state_id);

CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON advocate_state FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON advocate_state FOR EACH STATEMENT EXECUTE FUNCTION append_only();
