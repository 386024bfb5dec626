-- Whether redirects carry click ids, and under which name: for the programme, and for a link that says otherwise.

ALTER TABLE programme
    ADD click_ids boolean NOT NULL DEFAULT true,
    ADD click_id_name text NOT NULL DEFAULT 'advolink_click_id',
    ADD CONSTRAINT programme_click_id_name_check CHECK (click_id_name ~ '^[A-Za-z0-9._~-]{1,64}$');

ALTER TABLE link ADD click_id boolean;
