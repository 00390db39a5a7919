CREATE TABLE template (
    template_id text PRIMARY KEY,
    version integer NOT NULL
);

-- A version never changes: a run uses the one its campaign was approved with.
CREATE TABLE template_version (
    template_id text NOT NULL,
    version integer NOT NULL,
    channel smallint NOT NULL,
    purpose smallint NOT NULL,
    language text NOT NULL,
    title text,
    text text NOT NULL,
    provider_template text,
    sender text,
    link text,
    defaults jsonb NOT NULL DEFAULT '{}',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (template_id, version)
);

CREATE TABLE campaign (
    campaign_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL UNIQUE,
    version integer NOT NULL,
    state text NOT NULL
        CHECK (state IN ('draft', 'submitted', 'approved', 'running', 'paused', 'finished', 'cancelled')),
    partner_id text,
    paused_at timestamptz,                -- null unless it is paused
    updated_at timestamptz NOT NULL
);

-- The moves of CampaignMoves.cs.
CREATE FUNCTION campaign_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('submitted', 'draft'), ('approved', 'draft'), ('running', 'draft'), ('paused', 'draft'),
        ('draft', 'submitted'),
        ('submitted', 'approved'),
        ('approved', 'running'), ('paused', 'running'),
        ('running', 'paused'),
        ('running', 'finished'),
        ('draft', 'cancelled'), ('submitted', 'cancelled'), ('approved', 'cancelled'), ('running', 'cancelled'),
        ('paused', 'cancelled')
    ) THEN
        RAISE check_violation USING MESSAGE = format('A campaign does not move from %s to %s.', OLD.state, NEW.state);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER campaign_moves BEFORE UPDATE OF state ON campaign
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION campaign_moves();

CREATE TABLE campaign_version (
    campaign_key integer NOT NULL,
    version integer NOT NULL,
    definition jsonb NOT NULL,
    edited_by text NOT NULL,
    edited_at timestamptz NOT NULL,
    PRIMARY KEY (campaign_key, version)
);

-- What was approved: the hash binds definition, segment versions, template versions and audience bounds.
CREATE TABLE approval (
    campaign_key integer NOT NULL,
    version integer NOT NULL,
    bound jsonb NOT NULL,
    hash bytea NOT NULL,
    submitted_by text NOT NULL,
    submitted_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    approved boolean,
    allows_over65 boolean NOT NULL DEFAULT false, -- the approver's explicit tick
    comment text,
    PRIMARY KEY (campaign_key, version),
    CHECK ((approved IS NULL) = (decided_at IS NULL))
);
