-- Business time is clock_timestamp() + clock_offset; 0 in production.
CREATE TABLE business_clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    clock_offset interval NOT NULL DEFAULT interval '0'
);
INSERT INTO business_clock DEFAULT VALUES;

CREATE FUNCTION business_now() RETURNS timestamptz
LANGUAGE sql VOLATILE
RETURN (SELECT clock_timestamp() + clock_offset FROM business_clock);

-- A key is shown once, when it is made; only its SHA-256 is kept.
CREATE TABLE api_key (
    key_id text PRIMARY KEY,
    secret_hash bytea NOT NULL,
    name text NOT NULL,
    role text NOT NULL
        CHECK (role IN ('marketer', 'approver', 'operator', 'analyst', 'backend', 'partner', 'admin')),
    partner_id text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK ((role = 'partner') = (partner_id IS NOT NULL))
);

-- Signs links and cursors, where no key is configured.
CREATE TABLE signing_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    key bytea NOT NULL
);

-- Written in the transaction of the change it tells of; never updated.
CREATE TABLE audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (subject_kind, subject_id, seq);

-- Entries that wait for their place in the chain: seq has gaps and is not the order of commits, so no watermark over it
-- would find them all.
CREATE TABLE audit_pending (
    seq bigint PRIMARY KEY
);

-- The chain, made by one appender: hash is over the hash before it and the entry.
CREATE TABLE audit_link (
    position bigint PRIMARY KEY,
    seq bigint NOT NULL UNIQUE,
    hash bytea NOT NULL
);

-- status is null while the first request is under way.
CREATE TABLE idempotency (
    actor text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    started_at timestamptz NOT NULL,
    status smallint,
    content_type text,
    location text,
    body bytea,
    PRIMARY KEY (actor, key)
);

-- Long work that a caller may watch: import, preview, planning.
CREATE TABLE operation (
    operation_id text PRIMARY KEY,
    kind text NOT NULL,
    subject_id text NOT NULL,
    actor text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    result jsonb,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE INDEX operation_subject ON operation (kind, subject_id, started_at);
