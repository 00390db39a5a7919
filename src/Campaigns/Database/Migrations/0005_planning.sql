-- What binds every campaign: caps, quiet hours, channel hours. The newest version holds.
CREATE TABLE contact_policy (
    version integer PRIMARY KEY,
    definition jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE working_calendar (
    calendar_id text NOT NULL,
    version integer NOT NULL,
    days jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (calendar_id, version)
);

CREATE TABLE global_holdout (
    version integer PRIMARY KEY,
    salt text NOT NULL,
    share numeric NOT NULL CHECK (share >= 0 AND share < 1),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

-- A large run's key is positive and its decisions have a partition of their own; small runs' keys are negative and share
-- one.
CREATE SEQUENCE run_key_large AS integer;
CREATE SEQUENCE run_key_small AS integer INCREMENT -1 MINVALUE -2147483648 MAXVALUE -1 START -1;

CREATE TABLE run (
    run_key integer PRIMARY KEY,
    campaign_key integer NOT NULL,
    number integer NOT NULL,
    campaign_version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('planning', 'planned', 'closed', 'cancelled', 'stopped')),
    as_of timestamptz NOT NULL,
    plan jsonb NOT NULL,                  -- everything the parts read: arms, caps, choices; replayable
    shifted_at timestamptz,               -- when what was left of the timetable was last moved
    failure text,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,               -- when what is global (top N, budgets) was settled
    planned_at timestamptz,
    closed_at timestamptz,
    UNIQUE (campaign_key, number)
);
CREATE INDEX run_open ON run (campaign_key) WHERE state IN ('planning', 'planned');

-- Customers with keys in [low_key, high_key). Planned together with its decisions, in one transaction.
CREATE TABLE run_part (
    run_key integer NOT NULL,
    part integer NOT NULL,
    low_key bigint NOT NULL,
    high_key bigint NOT NULL,
    planned_at timestamptz,
    decisions integer,
    PRIMARY KEY (run_key, part)
);

-- The calendar's answer for one run: which channels have a legal window for customers of this zone and these slots, and
-- what is known of the first of them, by channel (array index = channel).
CREATE TABLE run_calendar (
    run_key integer NOT NULL,
    zone smallint NOT NULL,
    slots smallint NOT NULL,
    open_channels smallint NOT NULL,
    waves integer[] NOT NULL,
    opens timestamptz[] NOT NULL,
    days integer[] NOT NULL,              -- local day of the opening, counted from 2000-01-01
    months integer[] NOT NULL,            -- local month of the opening, 12 * year + month
    PRIMARY KEY (run_key, zone, slots)
);

-- A line of the timetable: [opens_at, closes_at). next_wave is where what does not fit rolls to. A shift moves it; goal
-- events then count from the new opening, or from counts_from where it had opened before.
CREATE TABLE wave (
    run_key integer NOT NULL,
    wave integer NOT NULL,
    step smallint NOT NULL DEFAULT 1,
    channel smallint NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    counts_from timestamptz,
    next_wave integer,
    touches integer NOT NULL DEFAULT 0,
    held_out integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_key, wave),
    CHECK (opens_at < closes_at)
);

-- One row for everyone in the audience; never updated. reason 0 is a touch; names are in decision_reason.
CREATE TABLE decision (
    customer_key bigint NOT NULL,
    run_key integer NOT NULL,
    wave integer,
    step smallint NOT NULL,
    reason smallint NOT NULL,
    channel smallint,
    variant smallint,
    segments bigint                       -- a bit for each of the campaign's segments, in their order, that the customer
                                          -- was in; null where there is but one: it then takes no room
) PARTITION BY RANGE (run_key);
-- Small runs share a partition; each large run has one of its own, whose indexes need not name the run.
CREATE TABLE decision_small PARTITION OF decision (PRIMARY KEY (run_key, customer_key, step))
    FOR VALUES FROM (MINVALUE) TO (0);
-- Where a touch lies among its run's: one number is sorted in half the time of three columns. Variants lap over each other
-- from key 2^40 on, so whoever looks for a range names wave and variant too.
CREATE FUNCTION touch_place(wave integer, variant smallint, customer_key bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (wave::bigint << 48) + (variant::bigint << 40) + customer_key;

CREATE INDEX decision_small_touch ON decision_small (run_key, touch_place(wave, variant, customer_key)) WHERE reason = 0;

-- The counts of a planned run, made once: its decisions never change.
CREATE TABLE run_ledger (
    run_key integer NOT NULL,
    step smallint NOT NULL,
    reason smallint NOT NULL,
    channel smallint NOT NULL,            -- 0 where the decision names none
    variant smallint NOT NULL,
    wave integer NOT NULL,
    customers bigint NOT NULL,
    PRIMARY KEY (run_key, step, reason, channel, variant, wave)
);

-- The number that a run's goal names as it was before anything was sent, of both arms; and what the fields that hold it for
-- the same period last year said then.
CREATE TABLE goal_baseline (
    customer_key bigint NOT NULL,
    run_key integer NOT NULL,
    value numeric,                        -- null: the customer has none
    last_year_before numeric,             -- null: the customer has none, or the goal names none; so the next
    last_year_after numeric,
    PRIMARY KEY (run_key, customer_key)
);
CREATE INDEX run_number ON run (run_key) WHERE plan #>> '{goal,field}' IS NOT NULL;

CREATE TABLE decision_reason (
    reason smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('touch', 'suppressed', 'held_out'))
);
INSERT INTO decision_reason (reason, name, kind) VALUES
    (0, 'touch', 'touch'),
    (1, 'excluded', 'suppressed'),
    (2, 'minor', 'suppressed'),
    (3, 'unsuitable', 'suppressed'),
    (4, 'personalisation_off', 'suppressed'),
    (5, 'already_enrolled', 'suppressed'),
    (6, 'duplicate_address', 'suppressed'),
    (7, 'opted_out', 'suppressed'),
    (8, 'no_consent', 'suppressed'),
    (9, 'unreachable', 'suppressed'),
    (10, 'no_window', 'suppressed'),
    (11, 'not_in_top', 'suppressed'),
    (12, 'over_budget', 'suppressed'),
    (13, 'frequency_cap', 'suppressed'),
    (14, 'outranked', 'suppressed'),
    (20, 'held_out_global', 'held_out'),
    (21, 'held_out', 'held_out');
