-- Typed catalogue of the attributes a rule may name.
CREATE TABLE field (
    name text PRIMARY KEY,
    type text NOT NULL CHECK (type IN ('number', 'text', 'boolean', 'date', 'enum')),
    options text[],
    sensitive boolean NOT NULL,
    profiling boolean NOT NULL,
    description text,
    updated_at timestamptz NOT NULL,
    CHECK ((type = 'enum') = (options IS NOT NULL))
);

CREATE TABLE time_zone (
    zone smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO time_zone (name) VALUES ('Asia/Shanghai'); -- 1: where a customer's zone is unknown

-- customer_key is the internal key of every large table; an unknown id gets one at once, as a stub.
CREATE TABLE customer (
    customer_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id text NOT NULL UNIQUE,
    attributes jsonb NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    stub boolean NOT NULL DEFAULT false,
    erased boolean NOT NULL DEFAULT false,       -- keeps its id, so that nothing is taken in for it again
    updated_at timestamptz NOT NULL,
    evidence_until timestamptz                   -- of who is erased: until then her proofs of consent are kept
);
CREATE INDEX customer_evidence_until ON customer (evidence_until) WHERE evidence_until IS NOT NULL;

-- The half of a customer's arm that no salt changes; the rest is in the planning statement.
CREATE FUNCTION mix32(x bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    x := ((x >> 16) # x) * 73244475 & 4294967295;
    x := ((x >> 16) # x) * 73244475 & 4294967295;
    RETURN (x >> 16) # x;
END $$;

-- What planning and the attempt must know together: one narrow row for every customer from ingest on. Sets of channels
-- are bit (channel - 1). Contacts are seven nibbles, a local day each, the newest lowest, as of last_day.
CREATE TABLE contact (
    customer_key bigint PRIMARY KEY,
    key_hash bigint NOT NULL GENERATED ALWAYS AS (mix32((customer_key # (customer_key >> 32)) & 4294967295)) STORED,
    last_contact_at timestamptz,
    previous_contact_at timestamptz,             -- the one before, for when the last is given back
    birth_date date,
    risk_rated_until date,
    last_day integer NOT NULL DEFAULT 0,         -- days since 2000-01-01, the customer's local day
    contacts integer NOT NULL DEFAULT 0,
    sms_contacts integer NOT NULL DEFAULT 0,
    wechat_contacts integer NOT NULL DEFAULT 0,
    app_contacts integer NOT NULL DEFAULT 0,
    month_contacts integer NOT NULL DEFAULT 0,   -- 16 * (12 * year + month) + WeChat mass sends in that month
    reachable smallint NOT NULL DEFAULT 0,       -- channels with an address
    shared smallint NOT NULL DEFAULT 0,          -- of these, where the address belongs to another customer
    consented smallint NOT NULL DEFAULT 0,       -- channels with a marketing consent
    opted_out smallint NOT NULL DEFAULT 0,       -- channels refused
    zone smallint NOT NULL DEFAULT 1,
    preferred_slots smallint NOT NULL DEFAULT 0, -- bits: 1 morning, 2 afternoon, 4 evening; 0 for any
    preferred_channels smallint NOT NULL DEFAULT 0, -- octal digits, first preference lowest; 0 for none
    risk_rating smallint,
    personalisation_off boolean NOT NULL DEFAULT false,
    sensitive_consent boolean NOT NULL DEFAULT false,
    student boolean NOT NULL DEFAULT false,
    erased boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);

-- The only table with addresses. lookup is a keyed hash: it finds an address and shows who shares it; the owner of a
-- shared address is the customer with the lowest key.
CREATE TABLE address (
    customer_key bigint NOT NULL,
    channel smallint NOT NULL,
    key_id smallint NOT NULL,
    ciphertext bytea NOT NULL,
    lookup bytea NOT NULL,
    PRIMARY KEY (customer_key, channel)
);
CREATE INDEX address_lookup ON address (channel, lookup);

-- Proof of every grant and refusal; the newest by occurred_at is what contact says. channel 0 is every channel.
CREATE TABLE consent (
    customer_key bigint NOT NULL,
    consent_id bigint GENERATED ALWAYS AS IDENTITY,
    channel smallint NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('marketing', 'sensitive', 'personalisation')),
    granted boolean NOT NULL,
    source text NOT NULL,
    text_version text,
    operator text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (customer_key, consent_id)
);

-- A proof is never changed, and goes only when the customer was erased and its term has passed.
CREATE FUNCTION consent_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT
        FROM customer c
        WHERE c.customer_key = OLD.customer_key AND c.erased AND c.evidence_until <= business_now()
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a proof of consent is kept as it is until its term has passed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER consent_stays BEFORE UPDATE OR DELETE ON consent FOR EACH ROW EXECUTE FUNCTION consent_stays();

CREATE TABLE event_type (
    event_type smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE event_source (
    event_source smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- What a customer did. Conversions and engagements are events too. Idempotent by source and id.
CREATE TABLE event (
    customer_key bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    event_type smallint NOT NULL,
    event_source smallint NOT NULL,
    event_id text NOT NULL,
    amount numeric(20, 4),
    currency text,
    attributes jsonb,
    PRIMARY KEY (customer_key, event_source, event_id)
);
CREATE INDEX event_of_type ON event (event_type, customer_key, occurred_at) INCLUDE (amount);

CREATE TABLE authorised_template (
    authorised_template smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE             -- the provider's id
);

-- Messages that a customer has authorised and nobody has attempted, by template. What was authorised up to void_through
-- holds no more: taken back, or used up as the provider says.
CREATE TABLE authorisation (
    customer_key bigint NOT NULL,
    authorised_template smallint NOT NULL,
    unspent integer NOT NULL DEFAULT 0 CHECK (unspent >= 0),
    void_through timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (customer_key, authorised_template)
) WITH (fillfactor = 80);

-- What customers said: messages authorised, or with 0 that none is any more. Idempotent by source and id.
CREATE TABLE authorisation_entry (
    customer_key bigint NOT NULL,
    event_source smallint NOT NULL,
    event_id text NOT NULL,
    authorised_template smallint NOT NULL,
    messages smallint NOT NULL CHECK (messages >= 0),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (customer_key, event_source, event_id)
);

-- Which column of a file becomes what.
CREATE TABLE import_mapping (
    mapping_id text PRIMARY KEY,
    definition jsonb NOT NULL,
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Drawn by each transaction that changes addresses, once it holds their customers; parts of files do not.
CREATE SEQUENCE address_change;
SELECT nextval('address_change'); -- the first leaves last_value as it was

-- A file taken in whole. Its rows wait in an unlogged table of their own, import_rows_{batch}, until they are merged, part by
-- part.
CREATE TABLE import_batch (
    batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL UNIQUE,
    mapping_id text NOT NULL,
    digest bytea NOT NULL,
    scope jsonb NOT NULL,                 -- what the rows say, and of which fields
    rows bigint NOT NULL,
    error_count bigint NOT NULL,
    errors jsonb NOT NULL,
    address_change bigint,                -- when shared addresses were looked for
    finished_at timestamptz
);
CREATE INDEX import_batch_mapping ON import_batch (mapping_id, batch);
CREATE INDEX import_batch_open ON import_batch (batch) WHERE finished_at IS NULL;

-- Lines of a file that are merged in one transaction, which holds the row locked.
CREATE TABLE import_part (
    batch bigint NOT NULL,
    part integer NOT NULL,
    low_line integer NOT NULL,
    high_line integer NOT NULL,
    merged_at timestamptz,
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    erased_lines integer[] NOT NULL DEFAULT '{}',  -- refused: of customers who were erased
    PRIMARY KEY (batch, part)
);

-- Customers who are people of the bank and look at templates on their own devices.
CREATE TABLE tester (
    customer_key bigint PRIMARY KEY,
    name text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL
);
