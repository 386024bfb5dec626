-- The database as it is now. migrations/ leads here step by step; a test proves that both give the same.
-- Every table names its one writer. Instants are timestamptz; a `day` is a local date in the programme's zone.

-- ---------------------------------------------------------------- who may ask, and by which calendar

-- writer: the aggregator's keys API, and `advolink keys` (the first key of an installation)
CREATE TABLE api_key (
    key_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- writer: the redirector (the first key), and `advolink keys signing`. The highest generation signs, the others verify.
-- A retired key's secret is erased; its row stays, so that its ids are told from those of a key that never was.
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

-- writer: the redirector, once. What customers' ids are hashed with. Never rotates: the same customer must be known for years.
CREATE TABLE customer_key (
    only_row boolean PRIMARY KEY DEFAULT true,
    secret bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_key_only_row_check CHECK (only_row),
    CONSTRAINT customer_key_secret_check CHECK (length(secret) = 32)
);

-- writer: the command `advolink customers erase`. Customers that were forgotten: when, why, and how much was theirs.
-- Nothing tells whom.
CREATE TABLE customer_erasure (
    erased_at timestamptz NOT NULL DEFAULT now(),
    why text NOT NULL,
    conversions bigint NOT NULL,
    events bigint NOT NULL
);

-- writer: the aggregator's programme API. One row. By whose money and which model conversions are credited, which touches may
-- earn, how long a click is waited for, and from where browsers may report. Windows are in seconds, the second by kind.
CREATE TABLE programme (
    only_row boolean PRIMARY KEY DEFAULT true,
    timezone text NOT NULL DEFAULT 'UTC',
    first_weekday smallint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    repeats text NOT NULL DEFAULT 'day',
    click_ids boolean NOT NULL DEFAULT true,
    click_id_name text NOT NULL DEFAULT 'advolink_click_id',
    currency text NOT NULL DEFAULT 'EUR',
    attribution_model text NOT NULL DEFAULT 'last',
    attribution_window_s bigint NOT NULL DEFAULT 2592000,
    attribution_windows_s jsonb NOT NULL DEFAULT '{}',
    half_life_s bigint NOT NULL DEFAULT 604800,
    earning text NOT NULL DEFAULT 'counted',
    pending_s bigint NOT NULL DEFAULT 604800,
    browser_origins text[] NOT NULL DEFAULT '{}',
    browser_money boolean NOT NULL DEFAULT false,
    CONSTRAINT programme_only_row_check CHECK (only_row),
    CONSTRAINT programme_click_id_name_check CHECK (click_id_name ~ '^[A-Za-z0-9._~-]{1,64}$'),
    CONSTRAINT programme_first_weekday_check CHECK (first_weekday BETWEEN 0 AND 6),
    CONSTRAINT programme_repeats_check CHECK (repeats IN ('day', 'none')),
    CONSTRAINT programme_attribution_model_check CHECK (
        attribution_model IN ('last', 'first', 'linear', 'position', 'time_decay')
    ),
    CONSTRAINT programme_earning_check CHECK (earning IN ('counted', 'repeats', 'any')),
    CONSTRAINT programme_attribution_s_check CHECK (
        attribution_window_s > 0 AND half_life_s > 0 AND pending_s >= 0
    )
);
INSERT INTO programme DEFAULT VALUES;

-- ---------------------------------------------------------------- links

-- writer: the redirector. `public_standings`: whether public standings name them; what it is now holds for all times.
CREATE TABLE advocate (
    advocate_id text COLLATE "C" PRIMARY KEY,
    display_name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    public_standings boolean NOT NULL DEFAULT true,
    CONSTRAINT advocate_advocate_id_check CHECK (advocate_id ~ '^[A-Za-z0-9._-]{1,64}$')
);

-- writer: the redirector. Only ever added to: what holds of an advocate from a local day on, whole, until the next day of
-- which something is said; of what is said of one day, the last. The empty team is none.
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

-- Refuses to change or delete what is only ever added to, whoever asks.
CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON advocate_state FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON advocate_state FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- writer: the redirector. A link is never deleted and never changes its code or its advocate.
-- `change` is the number of the link's last change: gap-free, in commit order. `click_id` says whether redirects carry
-- one; where it is null, the programme does.
CREATE TABLE link (
    link_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text COLLATE "C" NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    destination text NOT NULL,
    channel text,
    content_id text,
    category text,
    campaign text,
    tags text[] NOT NULL DEFAULT '{}',
    test boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    change bigint NOT NULL,
    click_id boolean,
    CONSTRAINT link_code_key UNIQUE (code),
    CONSTRAINT link_change_key UNIQUE (change),
    CONSTRAINT link_advocate_id_fkey FOREIGN KEY (advocate_id) REFERENCES advocate (advocate_id)
);
CREATE INDEX link_advocate_id_idx ON link (advocate_id);

-- writer: the redirector. One row: the number of the last change of any link, handed out under its row lock.
CREATE TABLE link_change_counter (
    only_row boolean PRIMARY KEY DEFAULT true,
    last_change bigint NOT NULL DEFAULT 0,
    CONSTRAINT link_change_counter_only_row_check CHECK (only_row)
);
INSERT INTO link_change_counter DEFAULT VALUES;

-- writer: the redirector. Every destination a link ever had, with the key that set it.
CREATE TABLE link_destination (
    link_id bigint NOT NULL,
    change bigint NOT NULL,
    destination text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text NOT NULL,
    CONSTRAINT link_destination_pkey PRIMARY KEY (link_id, change),
    CONSTRAINT link_destination_link_id_fkey FOREIGN KEY (link_id) REFERENCES link (link_id)
);

-- writer: the redirector. What the first import of a file decided; later imports of the same bytes follow it.
-- `journal` begins the file's SHA-256. Bit n-1 of `taken` (lowest bit of a byte first) says whether line n is a click.
CREATE TABLE click_import (
    journal bytea PRIMARY KEY,
    sha256 bytea NOT NULL,
    format text NOT NULL,
    line_count bigint NOT NULL,
    taken bytea NOT NULL,
    captured_at timestamptz NOT NULL,
    CONSTRAINT click_import_sha256_key UNIQUE (sha256),
    CONSTRAINT click_import_journal_check CHECK (journal = substring(sha256 FOR 8))
);

-- writer: the redirector. What visitors' keys of a local day are made with; let go of two days after it. Unlogged, so that no
-- write-ahead log, standby or archive holds what is to be forgotten; redirectors fill it again after a crash.
CREATE UNLOGGED TABLE visitor_salt (
    day date PRIMARY KEY,
    salt bytea NOT NULL,
    CONSTRAINT visitor_salt_salt_check CHECK (length(salt) = 32)
);

-- ---------------------------------------------------------------- the Postgres event log

-- writer: the Postgres event log. Offsets are handed out under the row's lock: commit order is offset order.
CREATE TABLE log_partition (
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    CONSTRAINT log_partition_pkey PRIMARY KEY (stream, partition),
    CONSTRAINT log_partition_offsets_check CHECK (0 <= first_offset AND first_offset <= next_offset)
) WITH (fillfactor = 50);

-- writer: the Postgres event log
CREATE TABLE log_record (
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    journal bytea NOT NULL,
    seq bigint NOT NULL,
    value bytea NOT NULL,
    logged_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT log_record_pkey PRIMARY KEY (stream, partition, log_offset)
);

-- writer: the Postgres event log. The highest seq it holds of each journal, for a shipper that reconnects.
CREATE TABLE log_journal (
    journal bytea NOT NULL,
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    last_seq bigint NOT NULL,
    CONSTRAINT log_journal_pkey PRIMARY KEY (journal, stream, partition)
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------- how far the log has been applied

-- writer: the aggregator. One row for each that runs: it holds the partitions that name it as owner, until then.
CREATE TABLE aggregator_lease (
    owner text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- writer: the aggregator, and `advolink offsets reset`.
-- Moved by compare-and-set on (next_offset, owner_epoch), first statement of every batch. `owner_epoch` grows whenever
-- the partition changes hands, is reset, or the programme changes. While `stopped` says why, nothing is applied: until a
-- reset or, but for offset_out_of_range, until what is in the way is gone.
CREATE TABLE partition_offset (
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    owner text,
    owner_epoch bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    stopped text,
    stopped_detail text,
    stopped_at timestamptz,
    CONSTRAINT partition_offset_pkey PRIMARY KEY (stream, partition),
    CONSTRAINT partition_offset_stopped_check CHECK (num_nulls(stopped, stopped_detail, stopped_at) IN (0, 3))
) WITH (fillfactor = 50);

-- writer: the command `advolink offsets reset`. Every time a person moved a partition, and why.
CREATE TABLE offset_reset (
    reset_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    stopped text,
    why text NOT NULL,
    reset_at timestamptz NOT NULL DEFAULT now()
);

-- writer: the aggregator. The highest seq applied of each journal, and when that was captured.
-- `first_captured_at`: when the first record that came was captured; never changes.
CREATE TABLE watermark (
    journal bytea NOT NULL,
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    captured_at timestamptz NOT NULL,
    first_captured_at timestamptz NOT NULL,
    sealed boolean NOT NULL DEFAULT false,
    CONSTRAINT watermark_pkey PRIMARY KEY (journal, stream, partition)
) WITH (fillfactor = 50);

-- writer: the aggregator, `advolink holes` and `advolink journal retire`. Seqs that were skipped, both ends included. A filled hole shrinks, splits or goes.
-- `captured_after`: what is missing was captured at this instant or later. A closed one holds nothing back any more, and
-- is filled all the same if what was missing comes after all.
CREATE TABLE hole (
    journal bytea NOT NULL,
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL,
    kind text NOT NULL,
    captured_after timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_why text,
    CONSTRAINT hole_pkey PRIMARY KEY (journal, stream, partition, seq_from),
    CONSTRAINT hole_seqs_check CHECK (0 < seq_from AND seq_from <= seq_to),
    CONSTRAINT hole_kind_check CHECK (kind IN ('missing', 'dead_letter')),
    CONSTRAINT hole_closed_check CHECK ((closed_at IS NULL) = (closed_why IS NULL))
);

-- writer: the command `advolink journal retire`. Journals that a person declared lost: what they had not shipped is not
-- waited for. One that speaks after all is live again.
CREATE TABLE retired_journal (
    journal bytea PRIMARY KEY,
    why text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now()
);

-- writer: the aggregator, and `advolink dead-letters`. Records that can never be applied as they are, with the bytes
-- that were logged. One without an origin (`journal`, `seq`) was written by nobody we know, and leaves no hole.
-- An offset does not name a dead letter: a topic that is made anew counts anew.
-- `replacement`: what was applied in its stead; `value` stays. `relayed_at`: when the dead-letter topic had it.
CREATE TABLE dead_letter (
    stream text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    journal bytea,
    seq bigint,
    value bytea NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    logged_at timestamptz NOT NULL,
    dead_at timestamptz NOT NULL DEFAULT now(),
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY,
    closed_as text,
    closed_at timestamptz,
    closed_why text,
    replacement bytea,
    relayed_at timestamptz,
    CONSTRAINT dead_letter_pkey PRIMARY KEY (dead_letter_id),
    CONSTRAINT dead_letter_journal_seq_check CHECK ((journal IS NULL) = (seq IS NULL)),
    CONSTRAINT dead_letter_closed_as_check CHECK (closed_as IN ('replayed', 'discarded')),
    CONSTRAINT dead_letter_closed_check CHECK ((closed_as IS NULL) = (closed_at IS NULL))
);
CREATE INDEX dead_letter_log_offset_idx ON dead_letter (stream, partition, log_offset);
CREATE INDEX dead_letter_unrelayed_idx ON dead_letter (dead_at) WHERE relayed_at IS NULL;

-- ---------------------------------------------------------------- clicks and their counts

-- writer: the aggregator. Every click in raw form with its verdict. Canonical order is (partition, log_offset).
-- `occurred_on` is the UTC date of `occurred_at`; one table a date, made by click_day_ensure, no default partition.
-- No foreign key to link: a click is kept whatever becomes of the row it points to.
CREATE TABLE click (
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    occurred_on date NOT NULL,
    log_offset bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    captured_at timestamptz NOT NULL,
    logged_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    local_day date NOT NULL,
    link_id bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    link_state text NOT NULL,
    method text NOT NULL,
    user_agent text,
    user_agent_cut boolean NOT NULL,
    referrer_origin text,
    language text,
    signals jsonb NOT NULL,
    country text,
    networks text[] NOT NULL,
    network_key text,
    visitor text,
    self_click boolean NOT NULL,
    test boolean NOT NULL,
    verdict text NOT NULL,
    reasons text[] NOT NULL,
    rules_version text NOT NULL,
    verdict_version integer NOT NULL DEFAULT 1,
    visitor_local boolean NOT NULL DEFAULT false,
    CONSTRAINT click_pkey PRIMARY KEY (journal, partition, seq, occurred_on),
    CONSTRAINT click_verdict_check CHECK (verdict IN ('counted', 'not_counted', 'review'))
) PARTITION BY RANGE (occurred_on);
CREATE INDEX click_advocate_id_local_day_idx ON click (advocate_id, local_day, partition, log_offset);

-- writer: the aggregator. Slots that are held: of a visitor's counted clicks on a link and local day, the first in
-- canonical order, which `partition`, `log_offset`, `journal` and `seq` name. Let go with the day's raw clicks.
CREATE TABLE slot (
    day date NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    visitor text COLLATE "C" NOT NULL,
    link_id bigint NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    journal bytea NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT slot_pkey PRIMARY KEY (day, advocate_id, visitor, link_id)
);

-- writer: the aggregator. Only ever added to: each change of a click's verdict, with the version it has since, what it was
-- before, why and by whom. Kept when the click is let go.
CREATE TABLE verdict_change (
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    verdict_version integer NOT NULL,
    verdict text NOT NULL,
    reasons text[] NOT NULL,
    rules_version text NOT NULL,
    old_verdict text NOT NULL,
    old_reasons text[] NOT NULL,
    old_rules_version text NOT NULL,
    cause text NOT NULL,
    why text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verdict_change_pkey PRIMARY KEY (journal, partition, seq, verdict_version)
);

-- writer: the aggregator's housekeeping. One row: raw clicks of earlier UTC dates were let go, their counts stay.
CREATE TABLE raw_horizon (
    only_row boolean PRIMARY KEY DEFAULT true,
    kept_from date NOT NULL DEFAULT '2000-01-01',
    CONSTRAINT raw_horizon_only_row_check CHECK (only_row)
);
INSERT INTO raw_horizon DEFAULT VALUES;

-- writer: the aggregator, and `advolink rebuild`. The number of the last change of any counts row of a partition, handed
-- out under its row lock. Whoever changes counts takes the numbers first and then the rows, last of all it does: so no
-- two wait for each other in a circle, and the order of numbers is the order of commits.
CREATE TABLE counts_change_counter (
    partition integer PRIMARY KEY,
    last_change bigint NOT NULL
) WITH (fillfactor = 50);

-- writer: the aggregator, and `advolink rebuild`.
-- `partition` is the one that all clicks of the key come through; `change` is the number of the row's last change in it.
-- `visitors`: how many different ones have a counted click, whichever of the advocate's links it is on. `credited_millionths`
-- and `value_minor` are of the conversions of the day, `by_click_…` of the clicks of the day, whenever they converted.
-- Sums of money are numeric, and whole: they outgrow 64 bits.
CREATE TABLE advocate_day (
    advocate_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    raw_clicks bigint NOT NULL,
    counted_clicks bigint NOT NULL,
    not_counted_clicks bigint NOT NULL,
    review_clicks bigint NOT NULL,
    partition integer NOT NULL,
    change bigint NOT NULL,
    visitors bigint NOT NULL DEFAULT 0,
    credited_millionths bigint NOT NULL DEFAULT 0,
    value_minor numeric NOT NULL DEFAULT 0,
    by_click_millionths bigint NOT NULL DEFAULT 0,
    by_click_value_minor numeric NOT NULL DEFAULT 0,
    shares bigint NOT NULL DEFAULT 0,
    sessions bigint NOT NULL DEFAULT 0,
    engagements bigint NOT NULL DEFAULT 0,
    CONSTRAINT advocate_day_pkey PRIMARY KEY (advocate_id, day),
    CONSTRAINT advocate_day_clicks_check CHECK (raw_clicks = counted_clicks + not_counted_clicks + review_clicks),
    CONSTRAINT advocate_day_partition_change_key UNIQUE (partition, change)
) WITH (fillfactor = 70);
CREATE INDEX advocate_day_day_idx ON advocate_day (day);

-- writer: the aggregator, and `advolink rebuild`. A quarter is the sum of its days, and `visitor_days` of their visitors.
CREATE TABLE advocate_quarter (
    advocate_id text COLLATE "C" NOT NULL,
    quarter_start date NOT NULL,
    raw_clicks bigint NOT NULL,
    counted_clicks bigint NOT NULL,
    not_counted_clicks bigint NOT NULL,
    review_clicks bigint NOT NULL,
    partition integer NOT NULL,
    change bigint NOT NULL,
    visitor_days bigint NOT NULL DEFAULT 0,
    credited_millionths bigint NOT NULL DEFAULT 0,
    value_minor numeric NOT NULL DEFAULT 0,
    by_click_millionths bigint NOT NULL DEFAULT 0,
    by_click_value_minor numeric NOT NULL DEFAULT 0,
    shares bigint NOT NULL DEFAULT 0,
    sessions bigint NOT NULL DEFAULT 0,
    engagements bigint NOT NULL DEFAULT 0,
    CONSTRAINT advocate_quarter_pkey PRIMARY KEY (advocate_id, quarter_start),
    CONSTRAINT advocate_quarter_clicks_check CHECK (raw_clicks = counted_clicks + not_counted_clicks + review_clicks),
    CONSTRAINT advocate_quarter_partition_change_key UNIQUE (partition, change)
) WITH (fillfactor = 70);

-- writer: the aggregator, and `advolink rebuild`.
CREATE TABLE link_day (
    link_id bigint NOT NULL,
    day date NOT NULL,
    raw_clicks bigint NOT NULL,
    counted_clicks bigint NOT NULL,
    not_counted_clicks bigint NOT NULL,
    review_clicks bigint NOT NULL,
    partition integer NOT NULL,
    change bigint NOT NULL,
    visitors bigint NOT NULL DEFAULT 0,
    credited_millionths bigint NOT NULL DEFAULT 0,
    value_minor numeric NOT NULL DEFAULT 0,
    by_click_millionths bigint NOT NULL DEFAULT 0,
    by_click_value_minor numeric NOT NULL DEFAULT 0,
    CONSTRAINT link_day_pkey PRIMARY KEY (link_id, day),
    CONSTRAINT link_day_clicks_check CHECK (raw_clicks = counted_clicks + not_counted_clicks + review_clicks),
    CONSTRAINT link_day_partition_change_key UNIQUE (partition, change)
) WITH (fillfactor = 70);
CREATE INDEX link_day_day_idx ON link_day USING brin (day) WITH (pages_per_range = 32, autosummarize = on);

-- writer: the command `advolink rebuild`. Every rebuild that was carried through.
CREATE TABLE counts_rebuild (
    rebuild_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rebuilt_at timestamptz NOT NULL DEFAULT now(),
    kept_from date NOT NULL,
    clicks bigint NOT NULL,
    rows_compared bigint NOT NULL,
    rows_corrected bigint NOT NULL
);

-- writer: the command `advolink rebuild`. Each counts row it corrected: raw, counted, not counted, in review, visitors
-- (visitor days of a quarter) and, since there are conversions, the columns after them in their order, before (null: there was
-- no such row) and after.
CREATE TABLE counts_correction (
    rebuild_id bigint NOT NULL,
    counts text NOT NULL,
    key text COLLATE "C" NOT NULL,
    start date NOT NULL,
    before numeric[],
    after numeric[] NOT NULL,
    CONSTRAINT counts_correction_pkey PRIMARY KEY (rebuild_id, counts, key, start),
    CONSTRAINT counts_correction_rebuild_id_fkey FOREIGN KEY (rebuild_id) REFERENCES counts_rebuild (rebuild_id)
);

-- ---------------------------------------------------------------- conversions and activities

-- writer: the aggregator, and `advolink customers erase`. Every conversion as it was received. Several may have one key: the
-- row in `conversion` names the one that stands for it. `body`: the digest of what makes two of them say the same; null once
-- the customer was erased.
CREATE TABLE conversion_event (
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    log_offset bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    captured_at timestamptz NOT NULL,
    logged_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    local_day date NOT NULL,
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    customer bytea,
    value_minor bigint,
    currency text,
    via text NOT NULL,
    test boolean NOT NULL,
    body bytea,
    CONSTRAINT conversion_event_pkey PRIMARY KEY (journal, partition, seq),
    CONSTRAINT conversion_event_via_check CHECK (via IN ('api', 'pixel', 'script')),
    CONSTRAINT conversion_event_value_minor_check CHECK (
        num_nulls(value_minor, currency) IN (0, 2) AND value_minor >= 0
    )
);
CREATE INDEX conversion_event_external_id_idx ON conversion_event (source, kind, external_id);
CREATE INDEX conversion_event_customer_idx ON conversion_event (customer) WHERE customer IS NOT NULL;

-- writer: the aggregator. The clicks that a conversion's event names, by their click ids: `click_…` name one. What follows is
-- what was found of the click, and stays when the click is let go; null until it is found.
CREATE TABLE conversion_touch (
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    click_journal bytea NOT NULL,
    click_partition integer NOT NULL,
    click_seq bigint NOT NULL,
    click_on date NOT NULL,
    clicked_at timestamptz,
    local_day date,
    advocate_id text COLLATE "C",
    link_id bigint,
    verdict text,
    reasons text[],
    self_click boolean,
    test boolean,
    CONSTRAINT conversion_touch_pkey PRIMARY KEY (
        journal, partition, seq, click_journal, click_partition, click_seq
    )
);
CREATE INDEX conversion_touch_click_idx ON conversion_touch (click_journal, click_partition, click_seq);

-- writer: the aggregator. One row a key, for ever. Down to `test` it is what its holder says: of all events of the key, the
-- first in canonical order that a server sent, or where none did the first that a browser sent. Then what became of it.
CREATE TABLE conversion (
    conversion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    journal bytea NOT NULL,
    seq bigint NOT NULL,
    log_offset bigint NOT NULL,
    via text NOT NULL,
    occurred_at timestamptz NOT NULL,
    local_day date NOT NULL,
    logged_at timestamptz NOT NULL,
    customer bytea,
    names_clicks boolean NOT NULL,
    value_minor bigint,
    currency text,
    test boolean NOT NULL,
    state text NOT NULL DEFAULT 'received',
    decided_at timestamptz,
    waits_until timestamptz,
    window_s bigint,
    model text,
    follows bigint,
    net_value_minor bigint,
    credited_value_minor bigint,
    credited_currency text,
    rate numeric(24, 12),
    rate_from date,
    lacks_clicks boolean NOT NULL DEFAULT false,
    CONSTRAINT conversion_source_kind_external_id_key UNIQUE (source, kind, external_id),
    CONSTRAINT conversion_state_check CHECK (
        state IN (
            'received', 'credited', 'pending_click', 'unknown_click', 'outside_window', 'precedes_click', 'self',
            'not_counted_click', 'unknown_currency', 'value_too_large', 'reversed', 'test'
        )
    )
) WITH (fillfactor = 70);
CREATE INDEX conversion_customer_idx ON conversion (customer, occurred_at) WHERE customer IS NOT NULL;
CREATE INDEX conversion_state_idx ON conversion (state, conversion_id) WHERE state <> 'credited';
CREATE INDEX conversion_waits_until_idx ON conversion (waits_until) WHERE state = 'pending_click';
CREATE INDEX conversion_lacks_clicks_idx ON conversion (waits_until) WHERE lacks_clicks;
CREATE INDEX conversion_currency_idx ON conversion (currency, local_day) WHERE currency IS NOT NULL;
CREATE INDEX conversion_holder_idx ON conversion (journal, partition, seq);
CREATE INDEX conversion_local_day_idx ON conversion (local_day);

-- writer: the aggregator. What takes a conversion back, also one that never comes. `value_minor` null: all of it.
CREATE TABLE reversal (
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    reversal_id text COLLATE "C" NOT NULL,
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    log_offset bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    value_minor bigint,
    CONSTRAINT reversal_pkey PRIMARY KEY (source, kind, external_id, reversal_id),
    CONSTRAINT reversal_value_minor_check CHECK (value_minor > 0)
);

-- writer: the aggregator. Conversions to be attributed anew: whoever changes what one depends on adds a row, the attributor
-- deletes those that it took, so that a mark made meanwhile survives. `captured_at`: of what is not attributed yet; null where
-- something attributed is corrected. `left_customer`: whose it was, where another event stands for the conversion now.
-- `set_aside_at` and `error`: the conversion could not be attributed; it is tried again after a while.
CREATE TABLE conversion_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversion_id bigint NOT NULL,
    captured_at timestamptz,
    marked_at timestamptz NOT NULL DEFAULT now(),
    left_customer bytea,
    set_aside_at timestamptz,
    error text,
    CONSTRAINT conversion_mark_set_aside_at_error_check CHECK (num_nulls(set_aside_at, error) IN (0, 2))
);
CREATE INDEX conversion_mark_captured_at_idx ON conversion_mark (captured_at, mark_id);
CREATE INDEX conversion_mark_set_aside_at_idx ON conversion_mark (set_aside_at) WHERE set_aside_at IS NOT NULL;

-- writer: the aggregator. Which conversions are still to be marked, where they are too many for one transaction: all, those
-- of a currency from the local day `since` on, or a customer's that name no click. `after_at` (of a customer's) and
-- `after_id` say how far it is; with `again` it begins once more at its end, for what it marked may have changed since.
CREATE TABLE conversion_marking (
    marking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency text COLLATE "C",
    since date,
    customer bytea,
    after_at timestamptz NOT NULL DEFAULT '-infinity',
    after_id bigint NOT NULL DEFAULT 0,
    again boolean NOT NULL DEFAULT false,
    asked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversion_marking_currency_key UNIQUE (currency),
    CONSTRAINT conversion_marking_customer_key UNIQUE (customer),
    CONSTRAINT conversion_marking_one_check CHECK (num_nonnulls(currency, customer) <= 1),
    CONSTRAINT conversion_marking_currency_since_check CHECK ((currency IS NULL) = (since IS NULL))
);

-- writer: the aggregator's attributor. A touch that earns, which `journal`, `partition` and `seq` name, with its millionths
-- under each model; then what of it is in the counts.
CREATE TABLE credit (
    conversion_id bigint NOT NULL,
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    link_id bigint NOT NULL,
    day date NOT NULL,
    click_day date NOT NULL,
    last integer NOT NULL,
    first integer NOT NULL,
    linear integer NOT NULL,
    "position" integer NOT NULL,
    time_decay integer NOT NULL,
    counted_millionths integer NOT NULL,
    value_minor bigint NOT NULL,
    CONSTRAINT credit_pkey PRIMARY KEY (conversion_id, journal, partition, seq)
);
CREATE INDEX credit_day_idx ON credit (day, advocate_id);
CREATE INDEX credit_advocate_id_idx ON credit (advocate_id, day);
CREATE INDEX credit_click_day_idx ON credit (click_day);

-- writer: the aggregator. Shares, sessions and engagements that a board reported, each once.
CREATE TABLE activity (
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    journal bytea NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    local_day date NOT NULL,
    advocate_id text COLLATE "C" NOT NULL,
    channel text,
    content_id text,
    category text,
    CONSTRAINT activity_pkey PRIMARY KEY (source, external_id),
    CONSTRAINT activity_kind_check CHECK (kind IN ('share', 'session', 'engagement'))
);
CREATE INDEX activity_local_day_idx ON activity (local_day, advocate_id);

-- writer: the aggregator's rates API. What a unit of `currency` is worth in `base`, from a local day on.
CREATE TABLE rate (
    base text NOT NULL,
    currency text NOT NULL,
    valid_from date NOT NULL,
    rate numeric(24, 12) NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rate_pkey PRIMARY KEY (base, currency, valid_from),
    CONSTRAINT rate_rate_check CHECK (rate > 0)
);

-- ---------------------------------------------------------------- raw dates

-- Makes the raw partition of one UTC date where it is missing. Attaching a ready table takes a lock that lets
-- readers and writers of the other dates go on, which CREATE TABLE … PARTITION OF would not. The same lock taken
-- first keeps two makers apart and, unlike an advisory lock, makes the second see what the first has made. Of the table
-- alone: a vacuum of another date holds the same lock of that one, for as long as it takes.
CREATE FUNCTION click_day_ensure(wanted date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := 'click_' || to_char(wanted, 'YYYYMMDD');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE ONLY click IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE click INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format('ALTER TABLE click ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, wanted, wanted + 1);
END
$$;

-- Lets go of the raw clicks of one UTC date and moves the horizon past it, never back. Whoever writes or reads raw
-- clicks waits meanwhile, hence the time-out: where a long reader is in the way, this fails and nobody has waited long.
CREATE FUNCTION click_day_let_go(gone date) RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
BEGIN
    LOCK TABLE ONLY click IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'click_' || to_char(gone, 'YYYYMMDD'));
    UPDATE raw_horizon SET kept_from = greatest(kept_from, gone + 1);
END
$$;
