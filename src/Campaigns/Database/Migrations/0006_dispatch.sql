-- The queue: some 500 to 2,000 touches of one wave and variant. Its touches are those of the wave and variant with keys in
-- [low_key, high_key], or, for retries, fallbacks and rolls, the members named. A lease is held by whoever has the token.
CREATE TABLE chunk (
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    wave integer NOT NULL,
    planned_wave integer,                 -- of its decisions, where that is another: of rolls and fallbacks
    step smallint NOT NULL DEFAULT 1,
    channel smallint NOT NULL,
    variant smallint NOT NULL,
    low_key bigint,
    high_key bigint,
    members bigint[],
    touches integer NOT NULL,
    try smallint NOT NULL DEFAULT 1,
    asked_by text,                        -- a gateway that may have its touches already, and knows their keys
    asked_at timestamptz,                 -- when they were first attempted there
    fresh boolean NOT NULL DEFAULT true,  -- none of its touches has been attempted before
    due_at timestamptz NOT NULL,
    late_since timestamptz,               -- when it was due first, where it has been put off since
    yields boolean NOT NULL DEFAULT false, -- it was put off for a campaign with a higher priority
    state smallint NOT NULL DEFAULT 0,    -- 0 waiting, 1 done, 2 cancelled, 3 expired
    token bigint NOT NULL DEFAULT 0,      -- of the last claim
    leased_by text,
    leased_until timestamptz,             -- real time
    requests integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT business_now(),
    finished_at timestamptz,
    PRIMARY KEY (run_key, chunk),
    CHECK ((members IS NULL) = (low_key IS NOT NULL AND high_key IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX chunk_waiting ON chunk (run_key, wave, due_at, chunk) WHERE state = 0;

-- Renews a lease, and holds the chunk until the transaction ends. Fails where it is another's by now.
CREATE FUNCTION hold_chunk(run integer, number integer, held bigint, lease interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE chunk SET leased_until = clock_timestamp() + lease
    WHERE run_key = run AND chunk = number AND token = held AND state = 0;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'CM001' USING MESSAGE = format('The lease of chunk %s-%s is another''s.', run, number);
    END IF;
END $$;

-- What is about to be on the wire, committed before it is sent; never updated. The request key is
-- run-chunk-request where the provider gives none. withheld are touches that may no longer go, with the reason read in
-- the same transaction; also, with no customer on the wire, what ended with its chunk.
CREATE TABLE attempt (
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    channel smallint NOT NULL,
    variant smallint NOT NULL,
    try smallint NOT NULL,
    attempted_at timestamptz NOT NULL,
    request_key text,
    gateway text,                         -- that knows the key
    customer_keys bigint[] NOT NULL,
    withheld_keys bigint[],
    withheld_reasons smallint[],
    PRIMARY KEY (run_key, chunk, request)
);
CREATE INDEX attempt_request_key ON attempt (request_key);

-- What the gateway said of a request, an item each in the attempt's order; never updated. A later row of the same request
-- (a repeat with the same key, a look-up) supersedes an earlier unknown.
CREATE TABLE outcome (
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    answer smallint NOT NULL,
    recorded_at timestamptz NOT NULL,
    states smallint[] NOT NULL,           -- SendState; one element where all items have the same
    codes text[],
    provider_ids text[],                  -- one element where the request has one id
    PRIMARY KEY (run_key, chunk, request, answer)
);
CREATE INDEX outcome_provider_id ON outcome USING gin (provider_ids);

CREATE TABLE withheld_reason (
    reason smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO withheld_reason (reason, name) VALUES
    (1, 'opted_out'), (2, 'no_consent'), (3, 'personalisation_off'), (4, 'unreachable'), (5, 'frequency_cap'),
    (6, 'outranked'), (7, 'converted'), (8, 'expired'), (9, 'cancelled'), (10, 'template_error'),
    (11, 'delivered'), -- by an earlier attempt, which had been refused as it seemed
    (12, 'unanswered'), -- by a gateway that may have it, and is not asked again
    (0, 'moved'); -- to another chunk, which has it now

-- What an operator did to a channel, or a provider to one of its gateways; their settings are configuration.
CREATE TABLE channel_state (
    channel smallint NOT NULL,
    gateway text NOT NULL,                -- empty for the channel as a whole
    stopped boolean NOT NULL DEFAULT false,
    reason text,
    not_before timestamptz,               -- real time, from Retry-After
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (channel, gateway)
);

-- When a gateway's next call may go: all nodes take their slots from here.
CREATE TABLE gateway_pace (
    gateway text PRIMARY KEY,
    next_at timestamptz NOT NULL          -- real time
) WITH (fillfactor = 10);

-- For people to read: what went wrong last with a gateway, and until when a node finds it broken. Real time.
CREATE TABLE gateway_error (
    gateway text NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (gateway, code)
);
CREATE TABLE gateway_break (
    gateway text PRIMARY KEY,
    until timestamptz NOT NULL
);

-- One WeChat access token for all nodes.
CREATE TABLE wechat_token (
    app_id text PRIMARY KEY,
    ciphertext bytea NOT NULL,
    key_id smallint NOT NULL,
    expires_at timestamptz NOT NULL       -- real time
);

-- A template sent to testers. No attempt, no counter, no report.
CREATE TABLE test_send (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template_id text NOT NULL,
    version integer NOT NULL,
    channel smallint NOT NULL,
    gateway text NOT NULL,
    sent_by text NOT NULL,
    sent_at timestamptz NOT NULL
);

CREATE TABLE test_message (
    number integer NOT NULL,
    place smallint NOT NULL,              -- in the order that was asked for
    customer_key bigint NOT NULL,
    state smallint NOT NULL,              -- TestState; unknown from before it is sent until it is answered
    code text,
    request_key text,                     -- null where it was withheld
    provider_id text,
    PRIMARY KEY (number, place)
);
CREATE INDEX test_message_request_key ON test_message (request_key);
CREATE INDEX test_message_provider_id ON test_message (provider_id);
