-- What providers said later, a row for each state said of an attempt; the highest rank holds, in whatever order they come.
CREATE TABLE receipt (
    customer_key bigint NOT NULL,
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    state smallint NOT NULL CHECK (state IN (3, 4)), -- 3 failed, 4 delivered
    answer smallint NOT NULL,             -- what the gateway had said of the attempt: SendState
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

CREATE INDEX parked_receipt_waiting ON parked_receipt (received_at, source, event_id) WHERE joined_at IS NULL;

-- Requests whose provider has to be asked for receipts: when next, and whether all that can be known is.
CREATE TABLE receipt_poll (
    run_key integer NOT NULL,
    chunk integer NOT NULL,
    request integer NOT NULL,
    polls integer NOT NULL,
    next_at timestamptz,                  -- null where it is not asked any more
    PRIMARY KEY (run_key, chunk, request)
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

-- Customers' replies; those that opted nobody out are for a person to read. lookup is kept of a refusal by whose address is
-- nobody's, until it is somebody's.
CREATE TABLE reply (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    reply_id text NOT NULL,
    channel smallint NOT NULL,
    customer_key bigint,
    address text,                         -- masked; null where it is none
    lookup bytea,
    content text NOT NULL,
    occurred_at timestamptz NOT NULL,
    understood boolean NOT NULL,
    PRIMARY KEY (source, reply_id)
);

CREATE INDEX reply_customer ON reply (customer_key);
CREATE INDEX reply_to_read ON reply (seq) WHERE NOT understood;
CREATE INDEX reply_refused ON reply (seq) WHERE lookup IS NOT NULL;

-- An event that counts for a run: engagements of a touch, and every goal event of either arm inside the customer's own
-- period. arm: 0 treated, 1 held out. Wave and variant are those of the decision, which never changes: to count by them
-- joins nothing, and the wave fills what would be padding.
CREATE TABLE engagement (
    run_key integer NOT NULL,
    wave integer NOT NULL,
    customer_key bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,     -- the event goes when its customer is erased
    event_source smallint NOT NULL,
    variant smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('opened', 'clicked', 'dismissed')),
    event_id text NOT NULL,
    PRIMARY KEY (run_key, customer_key, event_source, event_id)
);

CREATE TABLE conversion (
    run_key integer NOT NULL,
    wave integer NOT NULL,
    customer_key bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    arm smallint NOT NULL,
    variant smallint NOT NULL,            -- 0 of the held out
    event_source smallint NOT NULL,
    event_id text NOT NULL,
    amount numeric(20, 4),
    currency text,
    other_currency boolean NOT NULL DEFAULT false, -- not the goal's: the amount is not added
    reversed_at timestamptz,              -- when we learnt of it, or a shift left it before the opening
    counted boolean NOT NULL DEFAULT false, -- not reversed, and the customer's first where only the first counts
    PRIMARY KEY (run_key, customer_key, event_source, event_id)
);
CREATE INDEX conversion_customer ON conversion (customer_key);
CREATE INDEX run_goal ON run ((plan #>> '{goal,event}')) WHERE planned_at IS NOT NULL;

-- What takes an event of the same source and customer back; it may come first.
CREATE TABLE reversal (
    customer_key bigint NOT NULL,
    event_source smallint NOT NULL,
    event_id text NOT NULL,               -- of the event that is taken back
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (customer_key, event_source, event_id)
);

-- Runs whose goal events from before they were planned, or were last shifted, are counted.
CREATE TABLE counted_run (
    run_key integer PRIMARY KEY,
    shifted_at timestamptz,               -- the run's, when it was begun: where they differ, it is begun again
    next_key bigint                       -- the first customer who is not counted yet; null: everybody is
);

-- The number that a run's goal names at the end of the customer's window; waves whose customers were looked up; and what
-- they add up to. x is the number before, y its change.
CREATE TABLE goal_followup (
    customer_key bigint NOT NULL,
    run_key integer NOT NULL,
    value numeric,                        -- null: the customer has none
    PRIMARY KEY (run_key, customer_key)
);

CREATE TABLE goal_wave (
    run_key integer NOT NULL,
    wave integer NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (run_key, wave)
);

CREATE TABLE goal_sum (
    run_key integer NOT NULL,
    arm smallint NOT NULL,
    variant smallint NOT NULL,
    wave integer NOT NULL,
    customers bigint NOT NULL,
    without_value bigint NOT NULL,        -- at one of the two times; counted with 0
    x numeric NOT NULL,
    xx numeric NOT NULL,
    y numeric NOT NULL,
    yy numeric NOT NULL,
    xy numeric NOT NULL,
    with_last_year bigint NOT NULL,       -- who have both of last year's numbers
    last_year_change numeric NOT NULL,    -- of these
    PRIMARY KEY (run_key, wave, arm, variant)
);

-- Changes to counters, logged with what caused them and folded a moment later; a report is both. Channel, variant and wave
-- are those of the decision.
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
) WITH (fillfactor = 70);

-- Where a quarter of an hour began: in every time zone a day begins with one.
CREATE FUNCTION quarter_hour(at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin('15 minutes', at, timestamptz '2000-01-01 00:00Z');

-- Every touch of a run, or of these customers, that is not simply planned: its state, the chunk that had it last, and when
-- it was first attempted, known to be taken by a provider, and delivered. What is said of one attempt is ranked unknown <
-- accepted < failed < delivered, and the highest seen holds; a touch has its last attempt's state, unless an earlier one
-- was delivered. Chunks are numbered upwards as touches move on, so (chunk, request) is the order of attempts. One packed
-- number carries both: chunk, request and code, the codes 0 waiting, 1 attempted, 2 unknown, 3 accepted, 4 failed, 5 delivered, 20 + reason for
-- withheld. Nothing is joined by customer: on tables without statistics yet, that would be planned as a loop in a loop.
-- As of an earlier instant, what had been recorded by then, and what waited then to be tried again.
CREATE FUNCTION touch_state(
    run integer, customers bigint[] DEFAULT NULL, until timestamptz DEFAULT 'infinity'
)
RETURNS TABLE (
    customer_key bigint, state text, reason smallint, attempted_at timestamptz, accepted_at timestamptz,
    delivered_at timestamptz, chunk integer
)
LANGUAGE sql STABLE AS $$
    WITH entry AS (
        SELECT m.customer_key, a.chunk, a.request,
               CASE m.answer WHEN 1 THEN 3 WHEN 4 THEN 2 WHEN 2 THEN 4 WHEN 3 THEN 4 WHEN 5 THEN 5 ELSE 1
               END AS code,
               a.attempted_at, CASE WHEN m.answer IN (1, 5) THEN o.recorded_at END AS accepted_at,
               CASE m.answer WHEN 5 THEN o.recorded_at END AS delivered_at
        FROM attempt a
        LEFT JOIN LATERAL (
            SELECT o.recorded_at,
                   CASE WHEN cardinality(o.states) = 1
                        THEN array_fill(o.states[1], ARRAY[cardinality(a.customer_keys)]) ELSE o.states END AS states
            FROM outcome o
            WHERE o.run_key = a.run_key AND o.chunk = a.chunk AND o.request = a.request AND o.recorded_at <= until
            ORDER BY o.answer DESC
            LIMIT 1
        ) o ON true
        CROSS JOIN LATERAL unnest(a.customer_keys, o.states) AS m (customer_key, answer)
        WHERE a.run_key = run AND a.attempted_at <= until AND (customers IS NULL OR customers && a.customer_keys)
        UNION ALL
        SELECT r.customer_key, r.chunk, r.request, r.state + 1, NULL,
               CASE WHEN r.state = 4 AND r.answer <> 1 THEN r.received_at END,
               CASE WHEN r.state = 4 THEN r.occurred_at END
        FROM receipt r
        WHERE r.run_key = run AND r.received_at <= until AND (customers IS NULL OR r.customer_key = ANY (customers))
        UNION ALL
        SELECT m.customer_key, a.chunk, a.request, 20 + m.reason, NULL, NULL, NULL
        FROM attempt a
        CROSS JOIN LATERAL unnest(a.withheld_keys, a.withheld_reasons) AS m (customer_key, reason)
        WHERE a.run_key = run AND m.reason <> 0 AND a.attempted_at <= until AND (customers IS NULL OR customers && a.withheld_keys)
        UNION ALL
        SELECT m.customer_key, c.chunk, 0, 0, NULL, NULL, NULL
        FROM chunk c
        CROSS JOIN LATERAL unnest(c.members) AS m (customer_key)
        WHERE c.run_key = run AND c.state = 0 AND c.created_at <= until AND (customers IS NULL OR customers && c.members)
        UNION ALL
        SELECT m.customer_key, c.chunk, 0, 0, NULL, NULL, NULL
        FROM chunk c
        CROSS JOIN LATERAL unnest(c.members) AS m (customer_key)
        WHERE until < 'infinity' AND c.run_key = run AND c.state <> 0 AND c.created_at <= until AND c.finished_at > until
            AND (customers IS NULL OR customers && c.members)
    ), last AS (
        SELECT e.customer_key,
               max((e.chunk::bigint << 32) | (e.request::bigint << 8) | e.code) & 255 AS code,
               max((e.chunk::bigint << 32) | (e.request::bigint << 8) | e.code) >> 32 AS chunk,
               min(e.attempted_at) AS attempted_at, min(e.accepted_at) AS accepted_at,
               min(e.delivered_at) AS delivered_at
        FROM entry e
        WHERE customers IS NULL OR e.customer_key = ANY (customers)
        GROUP BY e.customer_key
    )
    SELECT l.customer_key,
           CASE WHEN l.delivered_at IS NOT NULL THEN 'delivered'
                WHEN l.code = 0 AND l.attempted_at IS NOT NULL THEN 'attempted'
                ELSE CASE l.code WHEN 0 THEN 'planned' WHEN 1 THEN 'attempted' WHEN 2 THEN 'unknown'
                                 WHEN 3 THEN 'accepted' WHEN 4 THEN 'failed' WHEN 28 THEN 'expired'
                                 WHEN 29 THEN 'cancelled' WHEN 30 THEN 'failed' WHEN 32 THEN 'unknown' ELSE 'suppressed' END
           END,
           CASE WHEN l.code > 20 AND l.delivered_at IS NULL AND l.code NOT IN (28, 29, 32)
                THEN (l.code - 20)::smallint END,
           l.attempted_at, l.accepted_at, l.delivered_at, l.chunk::integer
    FROM last l
$$;

-- Touches that were delivered although their provider had refused them: whatever is tried again of them, they stay so.
CREATE FUNCTION delivered_touches(run integer, customers bigint[])
RETURNS SETOF bigint
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT customer_key FROM receipt
    WHERE run_key = run AND customer_key = ANY (customers) AND state = 4
$$;
