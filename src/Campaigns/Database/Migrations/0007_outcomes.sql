-- What providers said later, a row for each state said of an attempt; the highest rank holds, in whatever order they come.
CREATE TABLE receipt (
    customer_key bigint NOT NULL,
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    state smallint NOT NULL CHECK (state IN (3, 4)), -- 3 failed, 4 delivered
    code text,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (run_key, customer_key, chunk, request, state)
);

-- Receipts that refer to nothing we know: kept, shown and joined when what they refer to appears.
CREATE TABLE parked_receipt (
    source text NOT NULL,
    event_id text NOT NULL,
    receipt jsonb NOT NULL,               -- the address as lookup only
    received_at timestamptz NOT NULL,
    joined_at timestamptz,
    PRIMARY KEY (source, event_id)
);

-- Counts that a provider gives for a whole call.
CREATE TABLE request_receipt (
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    status text NOT NULL,
    total integer NOT NULL,
    filtered integer NOT NULL,
    sent integer NOT NULL,
    failed integer NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (run_key, chunk, request)
);

-- The customer's replies that were not understood, for a person to read.
CREATE TABLE reply (
    source text NOT NULL,
    reply_id text NOT NULL,
    customer_key bigint,
    content text NOT NULL,
    occurred_at timestamptz NOT NULL,
    understood boolean NOT NULL,
    PRIMARY KEY (source, reply_id)
);

-- An event that counts for a run: engagements of a touch, conversions of either arm. arm: 0 treated, 1 held out.
CREATE TABLE engagement (
    run_key integer NOT NULL,
    customer_key bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('opened', 'clicked', 'dismissed')),
    occurred_at timestamptz NOT NULL,
    event_source smallint NOT NULL,
    event_id text NOT NULL,
    PRIMARY KEY (run_key, customer_key, event_source, event_id)
);

CREATE TABLE conversion (
    run_key integer NOT NULL,
    customer_key bigint NOT NULL,
    arm smallint NOT NULL,
    event_source smallint NOT NULL,
    event_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    amount numeric(20, 4),
    reversed_at timestamptz,
    PRIMARY KEY (run_key, customer_key, event_source, event_id)
);

-- Changes to counters, logged with what caused them and folded a moment later.
CREATE TABLE report_delta (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_key integer NOT NULL,
    metric text NOT NULL,
    arm smallint NOT NULL,
    channel smallint NOT NULL,
    variant smallint NOT NULL,
    wave integer NOT NULL,
    day date NOT NULL,
    n bigint NOT NULL,
    amount numeric NOT NULL DEFAULT 0,
    logged_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE report_cell (
    run_key integer NOT NULL,
    metric text NOT NULL,
    arm smallint NOT NULL,
    channel smallint NOT NULL,
    variant smallint NOT NULL,
    wave integer NOT NULL,
    day date NOT NULL,
    n bigint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (run_key, metric, arm, channel, variant, wave, day)
);

CREATE TABLE report_watermark (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    computed_through timestamptz NOT NULL
);
