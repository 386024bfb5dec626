-- Conversions: what is received of them, what became of each, who is credited, and what of it is in the counts.

-- By whose money and which model conversions are credited, which touches may earn, how long a click is waited for, and from
-- where browsers may report. Windows are in seconds, the second by kind of conversion.
ALTER TABLE programme
    ADD COLUMN currency text NOT NULL DEFAULT 'EUR',
    ADD COLUMN attribution_model text NOT NULL DEFAULT 'last',
    ADD COLUMN attribution_window_s bigint NOT NULL DEFAULT 2592000,
    ADD COLUMN attribution_windows_s jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN half_life_s bigint NOT NULL DEFAULT 604800,
    ADD COLUMN earning text NOT NULL DEFAULT 'counted',
    ADD COLUMN pending_s bigint NOT NULL DEFAULT 604800,
    ADD COLUMN browser_origins text[] NOT NULL DEFAULT '{}',
    ADD COLUMN browser_money boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT programme_attribution_model_check CHECK (
        attribution_model IN ('last', 'first', 'linear', 'position', 'time_decay')
    ),
    ADD CONSTRAINT programme_earning_check CHECK (earning IN ('counted', 'repeats', 'any')),
    ADD CONSTRAINT programme_attribution_s_check CHECK (
        attribution_window_s > 0 AND half_life_s > 0 AND pending_s >= 0
    );

-- writer: the redirector, once. What customers' ids are hashed with. Never rotates: the same customer must be known for years.
CREATE TABLE customer_key (
    only_row boolean PRIMARY KEY DEFAULT true,
    secret bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_key_only_row_check CHECK (only_row),
    CONSTRAINT customer_key_secret_check CHECK (length(secret) = 32)
);

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
CREATE INDEX conversion_touch_unknown_idx ON conversion_touch (click_on) WHERE clicked_at IS NULL;

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
    CONSTRAINT conversion_source_kind_external_id_key UNIQUE (source, kind, external_id),
    CONSTRAINT conversion_state_check CHECK (
        state IN (
            'received', 'credited', 'pending_click', 'unknown_click', 'outside_window', 'precedes_click', 'self',
            'not_counted_click', 'unknown_currency', 'reversed', 'test'
        )
    )
) WITH (fillfactor = 70);
CREATE INDEX conversion_customer_idx ON conversion (customer, occurred_at) WHERE customer IS NOT NULL;
CREATE INDEX conversion_state_idx ON conversion (state, conversion_id) WHERE state <> 'credited';
CREATE INDEX conversion_waits_until_idx ON conversion (waits_until) WHERE state = 'pending_click';
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
-- something attributed is corrected.
CREATE TABLE conversion_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversion_id bigint NOT NULL,
    captured_at timestamptz,
    marked_at timestamptz NOT NULL DEFAULT now()
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

-- Results stand beside clicks: by the conversion's day, and as a second view by the click's day.
ALTER TABLE advocate_day
    ADD COLUMN credited_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN value_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_value_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN shares bigint NOT NULL DEFAULT 0,
    ADD COLUMN sessions bigint NOT NULL DEFAULT 0,
    ADD COLUMN engagements bigint NOT NULL DEFAULT 0;
ALTER TABLE advocate_quarter
    ADD COLUMN credited_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN value_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_value_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN shares bigint NOT NULL DEFAULT 0,
    ADD COLUMN sessions bigint NOT NULL DEFAULT 0,
    ADD COLUMN engagements bigint NOT NULL DEFAULT 0;
ALTER TABLE link_day
    ADD COLUMN credited_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN value_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_millionths bigint NOT NULL DEFAULT 0,
    ADD COLUMN by_click_value_minor bigint NOT NULL DEFAULT 0;
