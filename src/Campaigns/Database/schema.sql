-- Written from the migrated database; do not edit.
SEQUENCE address_change bigint START 1 INCREMENT 1
SEQUENCE run_key_large integer START 1 INCREMENT 1
SEQUENCE run_key_small integer START -1 INCREMENT -1
SEQUENCE segment_list_key integer START 1 INCREMENT 1

TABLE address
    customer_key bigint NOT NULL
    channel smallint NOT NULL
    key_id smallint NOT NULL
    ciphertext bytea NOT NULL
    lookup bytea NOT NULL
    CONSTRAINT address_pkey PRIMARY KEY (customer_key, channel)
    CREATE INDEX address_lookup ON public.address USING btree (channel, lookup)

TABLE api_key
    key_id text NOT NULL
    secret_hash bytea NOT NULL
    name text NOT NULL
    role text NOT NULL
    partner_id text
    created_at timestamp with time zone NOT NULL
    expires_at timestamp with time zone
    revoked_at timestamp with time zone
    CONSTRAINT api_key_check CHECK (((role = 'partner'::text) = (partner_id IS NOT NULL)))
    CONSTRAINT api_key_pkey PRIMARY KEY (key_id)
    CONSTRAINT api_key_role_check CHECK ((role = ANY (ARRAY['marketer'::text, 'approver'::text, 'operator'::text, 'analyst'::text, 'backend'::text, 'partner'::text, 'admin'::text])))

TABLE approval
    campaign_key integer NOT NULL
    version integer NOT NULL
    bound jsonb NOT NULL
    hash bytea NOT NULL
    submitted_by text NOT NULL
    submitted_at timestamp with time zone NOT NULL
    decided_by text
    decided_at timestamp with time zone
    approved boolean
    allows_over65 boolean NOT NULL DEFAULT false
    comment text
    CONSTRAINT approval_check CHECK (((approved IS NULL) = (decided_at IS NULL)))
    CONSTRAINT approval_pkey PRIMARY KEY (campaign_key, version)

TABLE attempt
    run_key integer NOT NULL
    chunk integer NOT NULL
    request integer NOT NULL
    channel smallint NOT NULL
    variant smallint NOT NULL
    try smallint NOT NULL
    attempted_at timestamp with time zone NOT NULL
    request_key text
    gateway text
    customer_keys bigint[] NOT NULL
    withheld_keys bigint[]
    withheld_reasons smallint[]
    CONSTRAINT attempt_pkey PRIMARY KEY (run_key, chunk, request)
    CREATE INDEX attempt_request_key ON public.attempt USING btree (request_key)

TABLE audit
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    at timestamp with time zone NOT NULL
    actor text NOT NULL
    action text NOT NULL
    subject_kind text NOT NULL
    subject_id text NOT NULL
    detail jsonb NOT NULL DEFAULT '{}'::jsonb
    CONSTRAINT audit_pkey PRIMARY KEY (seq)
    CREATE INDEX audit_subject ON public.audit USING btree (subject_kind, subject_id, seq)

TABLE audit_link
    position bigint NOT NULL
    seq bigint NOT NULL
    hash bytea NOT NULL
    CONSTRAINT audit_link_pkey PRIMARY KEY ("position")
    CONSTRAINT audit_link_seq_key UNIQUE (seq)
    CREATE UNIQUE INDEX audit_link_seq_key ON public.audit_link USING btree (seq)

TABLE audit_pending
    seq bigint NOT NULL
    CONSTRAINT audit_pending_pkey PRIMARY KEY (seq)

TABLE authorisation
    customer_key bigint NOT NULL
    authorised_template smallint NOT NULL
    unspent integer NOT NULL DEFAULT 0
    void_through timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone
    CONSTRAINT authorisation_pkey PRIMARY KEY (customer_key, authorised_template)
    CONSTRAINT authorisation_unspent_check CHECK ((unspent >= 0))

TABLE authorisation_entry
    customer_key bigint NOT NULL
    event_source smallint NOT NULL
    event_id text NOT NULL
    authorised_template smallint NOT NULL
    messages smallint NOT NULL
    occurred_at timestamp with time zone NOT NULL
    recorded_at timestamp with time zone NOT NULL
    CONSTRAINT authorisation_entry_messages_check CHECK ((messages >= 0))
    CONSTRAINT authorisation_entry_pkey PRIMARY KEY (customer_key, event_source, event_id)

TABLE authorised_template
    authorised_template smallint NOT NULL GENERATED ALWAYS AS IDENTITY
    name text NOT NULL
    CONSTRAINT authorised_template_name_key UNIQUE (name)
    CONSTRAINT authorised_template_pkey PRIMARY KEY (authorised_template)
    CREATE UNIQUE INDEX authorised_template_name_key ON public.authorised_template USING btree (name)

TABLE business_clock
    singleton boolean NOT NULL DEFAULT true
    clock_offset interval NOT NULL DEFAULT '00:00:00'::interval
    CONSTRAINT business_clock_pkey PRIMARY KEY (singleton)
    CONSTRAINT business_clock_singleton_check CHECK (singleton)

TABLE campaign
    campaign_key integer NOT NULL GENERATED ALWAYS AS IDENTITY
    campaign_id text NOT NULL
    version integer NOT NULL
    state text NOT NULL
    partner_id text
    paused_at timestamp with time zone
    updated_at timestamp with time zone NOT NULL
    CONSTRAINT campaign_campaign_id_key UNIQUE (campaign_id)
    CONSTRAINT campaign_pkey PRIMARY KEY (campaign_key)
    CONSTRAINT campaign_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'submitted'::text, 'approved'::text, 'running'::text, 'paused'::text, 'finished'::text, 'cancelled'::text])))
    CREATE UNIQUE INDEX campaign_campaign_id_key ON public.campaign USING btree (campaign_id)
    CREATE TRIGGER campaign_moves BEFORE UPDATE OF state ON public.campaign FOR EACH ROW WHEN ((old.state <> new.state)) EXECUTE FUNCTION campaign_moves()

TABLE campaign_version
    campaign_key integer NOT NULL
    version integer NOT NULL
    definition jsonb NOT NULL
    edited_by text NOT NULL
    edited_at timestamp with time zone NOT NULL
    CONSTRAINT campaign_version_pkey PRIMARY KEY (campaign_key, version)

TABLE channel_state
    channel smallint NOT NULL
    gateway text NOT NULL
    stopped boolean NOT NULL DEFAULT false
    reason text
    not_before timestamp with time zone
    changed_by text NOT NULL
    changed_at timestamp with time zone NOT NULL
    CONSTRAINT channel_state_pkey PRIMARY KEY (channel, gateway)

TABLE chunk
    run_key integer NOT NULL
    chunk integer NOT NULL
    wave integer NOT NULL
    planned_wave integer
    step smallint NOT NULL DEFAULT 1
    channel smallint NOT NULL
    variant smallint NOT NULL
    low_key bigint
    high_key bigint
    members bigint[]
    touches integer NOT NULL
    try smallint NOT NULL DEFAULT 1
    asked_by text
    asked_at timestamp with time zone
    fresh boolean NOT NULL DEFAULT true
    due_at timestamp with time zone NOT NULL
    late_since timestamp with time zone
    yields boolean NOT NULL DEFAULT false
    state smallint NOT NULL DEFAULT 0
    token bigint NOT NULL DEFAULT 0
    leased_by text
    leased_until timestamp with time zone
    requests integer NOT NULL DEFAULT 0
    created_at timestamp with time zone NOT NULL DEFAULT business_now()
    finished_at timestamp with time zone
    CONSTRAINT chunk_check CHECK (((members IS NULL) = ((low_key IS NOT NULL) AND (high_key IS NOT NULL))))
    CONSTRAINT chunk_pkey PRIMARY KEY (run_key, chunk)
    CREATE INDEX chunk_waiting ON public.chunk USING btree (run_key, wave, due_at, chunk) WHERE (state = 0)

TABLE consent
    customer_key bigint NOT NULL
    consent_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    channel smallint NOT NULL
    purpose text NOT NULL
    granted boolean NOT NULL
    source text NOT NULL
    text_version text
    operator text
    occurred_at timestamp with time zone NOT NULL
    recorded_at timestamp with time zone NOT NULL
    CONSTRAINT consent_pkey PRIMARY KEY (customer_key, consent_id)
    CONSTRAINT consent_purpose_check CHECK ((purpose = ANY (ARRAY['marketing'::text, 'sensitive'::text, 'personalisation'::text])))
    CREATE TRIGGER consent_stays BEFORE DELETE OR UPDATE ON public.consent FOR EACH ROW EXECUTE FUNCTION consent_stays()

TABLE contact
    customer_key bigint NOT NULL
    key_hash bigint NOT NULL DEFAULT mix32(((customer_key # (customer_key >> 32)) & '4294967295'::bigint))
    last_contact_at timestamp with time zone
    previous_contact_at timestamp with time zone
    birth_date date
    risk_rated_until date
    last_day integer NOT NULL DEFAULT 0
    contacts integer NOT NULL DEFAULT 0
    sms_contacts integer NOT NULL DEFAULT 0
    wechat_contacts integer NOT NULL DEFAULT 0
    app_contacts integer NOT NULL DEFAULT 0
    month_contacts integer NOT NULL DEFAULT 0
    reachable smallint NOT NULL DEFAULT 0
    shared smallint NOT NULL DEFAULT 0
    consented smallint NOT NULL DEFAULT 0
    opted_out smallint NOT NULL DEFAULT 0
    zone smallint NOT NULL DEFAULT 1
    preferred_slots smallint NOT NULL DEFAULT 0
    preferred_channels smallint NOT NULL DEFAULT 0
    risk_rating smallint
    personalisation_off boolean NOT NULL DEFAULT false
    sensitive_consent boolean NOT NULL DEFAULT false
    student boolean NOT NULL DEFAULT false
    erased boolean NOT NULL DEFAULT false
    CONSTRAINT contact_pkey PRIMARY KEY (customer_key)

TABLE contact_policy
    version integer NOT NULL
    definition jsonb NOT NULL
    created_by text NOT NULL
    created_at timestamp with time zone NOT NULL
    CONSTRAINT contact_policy_pkey PRIMARY KEY (version)

TABLE conversion
    run_key integer NOT NULL
    wave integer NOT NULL
    customer_key bigint NOT NULL
    occurred_at timestamp with time zone NOT NULL
    recorded_at timestamp with time zone NOT NULL
    arm smallint NOT NULL
    variant smallint NOT NULL
    event_source smallint NOT NULL
    event_id text NOT NULL
    amount numeric(20,4)
    currency text
    other_currency boolean NOT NULL DEFAULT false
    reversed_at timestamp with time zone
    counted boolean NOT NULL DEFAULT false
    CONSTRAINT conversion_pkey PRIMARY KEY (run_key, customer_key, event_source, event_id)
    CREATE INDEX conversion_customer ON public.conversion USING btree (customer_key)

TABLE counted_run
    run_key integer NOT NULL
    shifted_at timestamp with time zone
    next_key bigint
    CONSTRAINT counted_run_pkey PRIMARY KEY (run_key)

TABLE customer
    customer_key bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    customer_id text NOT NULL
    attributes jsonb NOT NULL DEFAULT '{}'::jsonb
    tags text[] NOT NULL DEFAULT '{}'::text[]
    stub boolean NOT NULL DEFAULT false
    erased boolean NOT NULL DEFAULT false
    updated_at timestamp with time zone NOT NULL
    evidence_until timestamp with time zone
    CONSTRAINT customer_customer_id_key UNIQUE (customer_id)
    CONSTRAINT customer_pkey PRIMARY KEY (customer_key)
    CREATE UNIQUE INDEX customer_customer_id_key ON public.customer USING btree (customer_id)
    CREATE INDEX customer_evidence_until ON public.customer USING btree (evidence_until) WHERE (evidence_until IS NOT NULL)

TABLE decision
    customer_key bigint NOT NULL
    run_key integer NOT NULL
    wave integer
    step smallint NOT NULL
    reason smallint NOT NULL
    channel smallint
    variant smallint
    segments bigint

TABLE decision_reason
    reason smallint NOT NULL
    name text NOT NULL
    kind text NOT NULL
    CONSTRAINT decision_reason_kind_check CHECK ((kind = ANY (ARRAY['touch'::text, 'suppressed'::text, 'held_out'::text])))
    CONSTRAINT decision_reason_name_key UNIQUE (name)
    CONSTRAINT decision_reason_pkey PRIMARY KEY (reason)
    CREATE UNIQUE INDEX decision_reason_name_key ON public.decision_reason USING btree (name)

TABLE decision_small
    customer_key bigint NOT NULL
    run_key integer NOT NULL
    wave integer
    step smallint NOT NULL
    reason smallint NOT NULL
    channel smallint
    variant smallint
    segments bigint
    CONSTRAINT decision_small_pkey PRIMARY KEY (run_key, customer_key, step)
    CREATE INDEX decision_small_touch ON public.decision_small USING btree (run_key, touch_place(wave, variant, customer_key)) WHERE (reason = 0)

TABLE engagement
    run_key integer NOT NULL
    wave integer NOT NULL
    customer_key bigint NOT NULL
    occurred_at timestamp with time zone NOT NULL
    recorded_at timestamp with time zone NOT NULL
    event_source smallint NOT NULL
    variant smallint NOT NULL
    kind text NOT NULL
    event_id text NOT NULL
    CONSTRAINT engagement_kind_check CHECK ((kind = ANY (ARRAY['opened'::text, 'clicked'::text, 'dismissed'::text])))
    CONSTRAINT engagement_pkey PRIMARY KEY (run_key, customer_key, event_source, event_id)

TABLE event
    customer_key bigint NOT NULL
    occurred_at timestamp with time zone NOT NULL
    recorded_at timestamp with time zone NOT NULL
    event_type smallint NOT NULL
    event_source smallint NOT NULL
    event_id text NOT NULL
    amount numeric(20,4)
    currency text
    attributes jsonb
    CONSTRAINT event_pkey PRIMARY KEY (customer_key, event_source, event_id)
    CREATE INDEX event_of_type ON public.event USING btree (event_type, customer_key, occurred_at) INCLUDE (amount)

TABLE event_source
    event_source smallint NOT NULL GENERATED ALWAYS AS IDENTITY
    name text NOT NULL
    CONSTRAINT event_source_name_key UNIQUE (name)
    CONSTRAINT event_source_pkey PRIMARY KEY (event_source)
    CREATE UNIQUE INDEX event_source_name_key ON public.event_source USING btree (name)

TABLE event_type
    event_type smallint NOT NULL GENERATED ALWAYS AS IDENTITY
    name text NOT NULL
    CONSTRAINT event_type_name_key UNIQUE (name)
    CONSTRAINT event_type_pkey PRIMARY KEY (event_type)
    CREATE UNIQUE INDEX event_type_name_key ON public.event_type USING btree (name)

TABLE field
    name text NOT NULL
    type text NOT NULL
    options text[]
    sensitive boolean NOT NULL
    profiling boolean NOT NULL
    description text
    updated_at timestamp with time zone NOT NULL
    CONSTRAINT field_check CHECK (((type = 'enum'::text) = (options IS NOT NULL)))
    CONSTRAINT field_pkey PRIMARY KEY (name)
    CONSTRAINT field_type_check CHECK ((type = ANY (ARRAY['number'::text, 'text'::text, 'boolean'::text, 'date'::text, 'enum'::text])))

TABLE gateway_break
    gateway text NOT NULL
    until timestamp with time zone NOT NULL
    CONSTRAINT gateway_break_pkey PRIMARY KEY (gateway)

TABLE gateway_error
    gateway text NOT NULL
    code text NOT NULL
    detail text NOT NULL
    at timestamp with time zone NOT NULL
    CONSTRAINT gateway_error_pkey PRIMARY KEY (gateway, code)

TABLE gateway_pace
    gateway text NOT NULL
    next_at timestamp with time zone NOT NULL
    CONSTRAINT gateway_pace_pkey PRIMARY KEY (gateway)

TABLE global_holdout
    version integer NOT NULL
    salt text NOT NULL
    share numeric NOT NULL
    created_by text NOT NULL
    created_at timestamp with time zone NOT NULL
    CONSTRAINT global_holdout_pkey PRIMARY KEY (version)
    CONSTRAINT global_holdout_share_check CHECK (((share >= (0)::numeric) AND (share < (1)::numeric)))

TABLE goal_baseline
    customer_key bigint NOT NULL
    run_key integer NOT NULL
    value numeric
    last_year_before numeric
    last_year_after numeric
    CONSTRAINT goal_baseline_pkey PRIMARY KEY (run_key, customer_key)

TABLE goal_followup
    customer_key bigint NOT NULL
    run_key integer NOT NULL
    value numeric
    CONSTRAINT goal_followup_pkey PRIMARY KEY (run_key, customer_key)

TABLE goal_sum
    run_key integer NOT NULL
    arm smallint NOT NULL
    variant smallint NOT NULL
    wave integer NOT NULL
    customers bigint NOT NULL
    without_value bigint NOT NULL
    x numeric NOT NULL
    xx numeric NOT NULL
    y numeric NOT NULL
    yy numeric NOT NULL
    xy numeric NOT NULL
    with_last_year bigint NOT NULL
    last_year_change numeric NOT NULL
    CONSTRAINT goal_sum_pkey PRIMARY KEY (run_key, wave, arm, variant)

TABLE goal_wave
    run_key integer NOT NULL
    wave integer NOT NULL
    measured_at timestamp with time zone NOT NULL
    CONSTRAINT goal_wave_pkey PRIMARY KEY (run_key, wave)

TABLE idempotency
    actor text NOT NULL
    key text NOT NULL
    request_hash bytea NOT NULL
    started_at timestamp with time zone NOT NULL
    status smallint
    content_type text
    location text
    body bytea
    CONSTRAINT idempotency_pkey PRIMARY KEY (actor, key)

TABLE import_batch
    batch bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    operation_id text NOT NULL
    mapping_id text NOT NULL
    digest bytea NOT NULL
    scope jsonb NOT NULL
    rows bigint NOT NULL
    error_count bigint NOT NULL
    errors jsonb NOT NULL
    address_change bigint
    finished_at timestamp with time zone
    CONSTRAINT import_batch_operation_id_key UNIQUE (operation_id)
    CONSTRAINT import_batch_pkey PRIMARY KEY (batch)
    CREATE INDEX import_batch_mapping ON public.import_batch USING btree (mapping_id, batch)
    CREATE INDEX import_batch_open ON public.import_batch USING btree (batch) WHERE (finished_at IS NULL)
    CREATE UNIQUE INDEX import_batch_operation_id_key ON public.import_batch USING btree (operation_id)

TABLE import_mapping
    mapping_id text NOT NULL
    definition jsonb NOT NULL
    updated_by text NOT NULL
    updated_at timestamp with time zone NOT NULL
    CONSTRAINT import_mapping_pkey PRIMARY KEY (mapping_id)

TABLE import_part
    batch bigint NOT NULL
    part integer NOT NULL
    low_line integer NOT NULL
    high_line integer NOT NULL
    merged_at timestamp with time zone
    created integer NOT NULL DEFAULT 0
    updated integer NOT NULL DEFAULT 0
    unchanged integer NOT NULL DEFAULT 0
    erased_lines integer[] NOT NULL DEFAULT '{}'::integer[]
    CONSTRAINT import_part_pkey PRIMARY KEY (batch, part)

TABLE inbox_message
    customer_key bigint NOT NULL
    message_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    stored_at timestamp with time zone NOT NULL
    expires_at timestamp with time zone NOT NULL
    shown_at timestamp with time zone
    clicked_at timestamp with time zone
    dismissed_at timestamp with time zone
    purpose smallint NOT NULL
    touch_key text NOT NULL
    title text
    text text NOT NULL
    link text
    CONSTRAINT inbox_message_customer_key_touch_key_key UNIQUE (customer_key, touch_key)
    CONSTRAINT inbox_message_pkey PRIMARY KEY (customer_key, message_id)
    CREATE UNIQUE INDEX inbox_message_customer_key_touch_key_key ON public.inbox_message USING btree (customer_key, touch_key)
    CREATE INDEX inbox_message_expires ON public.inbox_message USING btree (expires_at)

TABLE operation
    operation_id text NOT NULL
    kind text NOT NULL
    subject_id text NOT NULL
    actor text NOT NULL
    state text NOT NULL
    done bigint NOT NULL DEFAULT 0
    total bigint
    result jsonb
    started_at timestamp with time zone NOT NULL
    finished_at timestamp with time zone
    CONSTRAINT operation_check CHECK (((state = 'running'::text) = (finished_at IS NULL)))
    CONSTRAINT operation_pkey PRIMARY KEY (operation_id)
    CONSTRAINT operation_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text])))
    CREATE INDEX operation_subject ON public.operation USING btree (kind, subject_id, started_at)

TABLE outcome
    run_key integer NOT NULL
    chunk integer NOT NULL
    request integer NOT NULL
    answer smallint NOT NULL
    recorded_at timestamp with time zone NOT NULL
    states smallint[] NOT NULL
    codes text[]
    provider_ids text[]
    CONSTRAINT outcome_pkey PRIMARY KEY (run_key, chunk, request, answer)
    CREATE INDEX outcome_provider_id ON public.outcome USING gin (provider_ids)

TABLE parked_receipt
    source text NOT NULL
    event_id text NOT NULL
    receipt jsonb NOT NULL
    received_at timestamp with time zone NOT NULL
    joined_at timestamp with time zone
    CONSTRAINT parked_receipt_pkey PRIMARY KEY (source, event_id)
    CREATE INDEX parked_receipt_waiting ON public.parked_receipt USING btree (received_at, source, event_id) WHERE (joined_at IS NULL)

TABLE receipt
    customer_key bigint NOT NULL
    run_key integer NOT NULL
    chunk integer NOT NULL
    request integer NOT NULL
    state smallint NOT NULL
    answer smallint NOT NULL
    code text
    occurred_at timestamp with time zone NOT NULL
    received_at timestamp with time zone NOT NULL
    CONSTRAINT receipt_pkey PRIMARY KEY (run_key, customer_key, chunk, request, state)
    CONSTRAINT receipt_state_check CHECK ((state = ANY (ARRAY[3, 4])))

TABLE receipt_poll
    run_key integer NOT NULL
    chunk integer NOT NULL
    request integer NOT NULL
    polls integer NOT NULL
    next_at timestamp with time zone
    CONSTRAINT receipt_poll_pkey PRIMARY KEY (run_key, chunk, request)

TABLE reply
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    source text NOT NULL
    reply_id text NOT NULL
    channel smallint NOT NULL
    customer_key bigint
    address text
    lookup bytea
    content text NOT NULL
    occurred_at timestamp with time zone NOT NULL
    understood boolean NOT NULL
    CONSTRAINT reply_pkey PRIMARY KEY (source, reply_id)
    CREATE INDEX reply_customer ON public.reply USING btree (customer_key)
    CREATE INDEX reply_refused ON public.reply USING btree (seq) WHERE (lookup IS NOT NULL)
    CREATE INDEX reply_to_read ON public.reply USING btree (seq) WHERE (NOT understood)

TABLE report_cell
    run_key integer NOT NULL
    metric text NOT NULL
    arm smallint NOT NULL
    channel smallint NOT NULL
    variant smallint NOT NULL
    wave integer NOT NULL
    day date NOT NULL
    n bigint NOT NULL
    amount numeric NOT NULL
    CONSTRAINT report_cell_pkey PRIMARY KEY (run_key, metric, arm, channel, variant, wave, day)

TABLE report_delta
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY
    run_key integer NOT NULL
    metric text NOT NULL
    arm smallint NOT NULL
    channel smallint NOT NULL
    variant smallint NOT NULL
    wave integer NOT NULL
    day date NOT NULL
    n bigint NOT NULL
    amount numeric NOT NULL DEFAULT 0
    logged_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
    CONSTRAINT report_delta_pkey PRIMARY KEY (seq)

TABLE request_receipt
    run_key integer NOT NULL
    chunk integer NOT NULL
    request integer NOT NULL
    status text NOT NULL
    total integer NOT NULL
    filtered integer NOT NULL
    sent integer NOT NULL
    failed integer NOT NULL
    received_at timestamp with time zone NOT NULL
    CONSTRAINT request_receipt_pkey PRIMARY KEY (run_key, chunk, request)

TABLE reversal
    customer_key bigint NOT NULL
    event_source smallint NOT NULL
    event_id text NOT NULL
    recorded_at timestamp with time zone NOT NULL
    CONSTRAINT reversal_pkey PRIMARY KEY (customer_key, event_source, event_id)

TABLE run
    run_key integer NOT NULL
    campaign_key integer NOT NULL
    number integer NOT NULL
    campaign_version integer NOT NULL
    state text NOT NULL
    as_of timestamp with time zone NOT NULL
    plan jsonb NOT NULL
    shifted_at timestamp with time zone
    failure text
    created_at timestamp with time zone NOT NULL
    settled_at timestamp with time zone
    planned_at timestamp with time zone
    closed_at timestamp with time zone
    CONSTRAINT run_campaign_key_number_key UNIQUE (campaign_key, number)
    CONSTRAINT run_pkey PRIMARY KEY (run_key)
    CONSTRAINT run_state_check CHECK ((state = ANY (ARRAY['planning'::text, 'planned'::text, 'closed'::text, 'cancelled'::text, 'stopped'::text])))
    CREATE UNIQUE INDEX run_campaign_key_number_key ON public.run USING btree (campaign_key, number)
    CREATE INDEX run_goal ON public.run USING btree (((plan #>> '{goal,event}'::text[]))) WHERE (planned_at IS NOT NULL)
    CREATE INDEX run_number ON public.run USING btree (run_key) WHERE ((plan #>> '{goal,field}'::text[]) IS NOT NULL)
    CREATE INDEX run_open ON public.run USING btree (campaign_key) WHERE (state = ANY (ARRAY['planning'::text, 'planned'::text]))

TABLE run_calendar
    run_key integer NOT NULL
    zone smallint NOT NULL
    slots smallint NOT NULL
    open_channels smallint NOT NULL
    waves integer[] NOT NULL
    opens timestamp with time zone[] NOT NULL
    days integer[] NOT NULL
    months integer[] NOT NULL
    CONSTRAINT run_calendar_pkey PRIMARY KEY (run_key, zone, slots)

TABLE run_ledger
    run_key integer NOT NULL
    step smallint NOT NULL
    reason smallint NOT NULL
    channel smallint NOT NULL
    variant smallint NOT NULL
    wave integer NOT NULL
    customers bigint NOT NULL
    CONSTRAINT run_ledger_pkey PRIMARY KEY (run_key, step, reason, channel, variant, wave)

TABLE run_part
    run_key integer NOT NULL
    part integer NOT NULL
    low_key bigint NOT NULL
    high_key bigint NOT NULL
    planned_at timestamp with time zone
    decisions integer
    CONSTRAINT run_part_pkey PRIMARY KEY (run_key, part)

TABLE schema_migration
    file text NOT NULL
    applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
    CONSTRAINT schema_migration_pkey PRIMARY KEY (file)

TABLE segment
    segment_id text NOT NULL
    version integer NOT NULL
    archived boolean NOT NULL DEFAULT false
    CONSTRAINT segment_pkey PRIMARY KEY (segment_id)

TABLE segment_list_member
    list_key integer NOT NULL
    customer_key bigint NOT NULL
    CONSTRAINT segment_list_member_pkey PRIMARY KEY (list_key, customer_key)

TABLE segment_use
    segment_id text NOT NULL
    version integer NOT NULL
    used_id text NOT NULL
    used_version integer NOT NULL
    CONSTRAINT segment_use_pkey PRIMARY KEY (segment_id, version, used_id)

TABLE segment_version
    segment_id text NOT NULL
    version integer NOT NULL
    name text NOT NULL
    rule json
    list_key integer
    list_size integer
    fields text[] NOT NULL
    depth integer NOT NULL
    nodes integer NOT NULL
    created_by text NOT NULL
    created_at timestamp with time zone NOT NULL
    CONSTRAINT segment_version_check CHECK (((rule IS NULL) <> (list_key IS NULL)))
    CONSTRAINT segment_version_check1 CHECK (((list_key IS NULL) = (list_size IS NULL)))
    CONSTRAINT segment_version_pkey PRIMARY KEY (segment_id, version)

TABLE signing_key
    singleton boolean NOT NULL DEFAULT true
    key bytea NOT NULL
    CONSTRAINT signing_key_pkey PRIMARY KEY (singleton)
    CONSTRAINT signing_key_singleton_check CHECK (singleton)

TABLE template
    template_id text NOT NULL
    version integer NOT NULL
    CONSTRAINT template_pkey PRIMARY KEY (template_id)

TABLE template_version
    template_id text NOT NULL
    version integer NOT NULL
    channel smallint NOT NULL
    purpose smallint NOT NULL
    language text NOT NULL
    title text
    text text NOT NULL
    provider_template text
    sender text
    link text
    defaults jsonb NOT NULL DEFAULT '{}'::jsonb
    created_by text NOT NULL
    created_at timestamp with time zone NOT NULL
    CONSTRAINT template_version_pkey PRIMARY KEY (template_id, version)

TABLE test_message
    number integer NOT NULL
    place smallint NOT NULL
    customer_key bigint NOT NULL
    state smallint NOT NULL
    code text
    request_key text
    provider_id text
    CONSTRAINT test_message_pkey PRIMARY KEY (number, place)
    CREATE INDEX test_message_provider_id ON public.test_message USING btree (provider_id)
    CREATE INDEX test_message_request_key ON public.test_message USING btree (request_key)

TABLE test_send
    number integer NOT NULL GENERATED ALWAYS AS IDENTITY
    template_id text NOT NULL
    version integer NOT NULL
    channel smallint NOT NULL
    gateway text NOT NULL
    sent_by text NOT NULL
    sent_at timestamp with time zone NOT NULL
    CONSTRAINT test_send_pkey PRIMARY KEY (number)

TABLE tester
    customer_key bigint NOT NULL
    name text NOT NULL
    added_by text NOT NULL
    added_at timestamp with time zone NOT NULL
    CONSTRAINT tester_pkey PRIMARY KEY (customer_key)

TABLE time_zone
    zone smallint NOT NULL GENERATED ALWAYS AS IDENTITY
    name text NOT NULL
    CONSTRAINT time_zone_name_key UNIQUE (name)
    CONSTRAINT time_zone_pkey PRIMARY KEY (zone)
    CREATE UNIQUE INDEX time_zone_name_key ON public.time_zone USING btree (name)

TABLE wave
    run_key integer NOT NULL
    wave integer NOT NULL
    step smallint NOT NULL DEFAULT 1
    channel smallint NOT NULL
    opens_at timestamp with time zone NOT NULL
    closes_at timestamp with time zone NOT NULL
    counts_from timestamp with time zone
    next_wave integer
    touches integer NOT NULL DEFAULT 0
    held_out integer NOT NULL DEFAULT 0
    CONSTRAINT wave_check CHECK ((opens_at < closes_at))
    CONSTRAINT wave_pkey PRIMARY KEY (run_key, wave)

TABLE wechat_token
    app_id text NOT NULL
    ciphertext bytea NOT NULL
    key_id smallint NOT NULL
    expires_at timestamp with time zone NOT NULL
    CONSTRAINT wechat_token_pkey PRIMARY KEY (app_id)

TABLE withheld_reason
    reason smallint NOT NULL
    name text NOT NULL
    CONSTRAINT withheld_reason_name_key UNIQUE (name)
    CONSTRAINT withheld_reason_pkey PRIMARY KEY (reason)
    CREATE UNIQUE INDEX withheld_reason_name_key ON public.withheld_reason USING btree (name)

TABLE working_calendar
    calendar_id text NOT NULL
    version integer NOT NULL
    days jsonb NOT NULL
    created_by text NOT NULL
    created_at timestamp with time zone NOT NULL
    CONSTRAINT working_calendar_pkey PRIMARY KEY (calendar_id, version)

CREATE OR REPLACE FUNCTION public.business_now()
 RETURNS timestamp with time zone
 LANGUAGE sql
RETURN (SELECT (clock_timestamp() + business_clock.clock_offset) FROM business_clock)

CREATE OR REPLACE FUNCTION public.campaign_moves()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
$function$

CREATE OR REPLACE FUNCTION public.consent_stays()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT
        FROM customer c
        WHERE c.customer_key = OLD.customer_key AND c.erased AND c.evidence_until <= business_now()
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a proof of consent is kept as it is until its term has passed' USING ERRCODE = 'restrict_violation';
END $function$

CREATE OR REPLACE FUNCTION public.delivered_touches(run integer, customers bigint[])
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE
AS $function$
    SELECT DISTINCT customer_key FROM receipt
    WHERE run_key = run AND customer_key = ANY (customers) AND state = 4
$function$

CREATE OR REPLACE FUNCTION public.hold_chunk(run integer, number integer, held bigint, lease interval)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    UPDATE chunk SET leased_until = clock_timestamp() + lease
    WHERE run_key = run AND chunk = number AND token = held AND state = 0;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'CM001' USING MESSAGE = format('The lease of chunk %s-%s is another''s.', run, number);
    END IF;
END $function$

CREATE OR REPLACE FUNCTION public.mix32(x bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
BEGIN
    x := ((x >> 16) # x) * 73244475 & 4294967295;
    x := ((x >> 16) # x) * 73244475 & 4294967295;
    RETURN (x >> 16) # x;
END $function$

CREATE OR REPLACE FUNCTION public.quarter_hour(at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN date_bin('00:15:00'::interval, at, '2000-01-01 00:00:00+00'::timestamp with time zone)

CREATE OR REPLACE FUNCTION public.touch_place(wave integer, variant smallint, customer_key bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((((wave)::bigint << 48) + ((variant)::bigint << 40)) + customer_key)

CREATE OR REPLACE FUNCTION public.touch_state(run integer, customers bigint[] DEFAULT NULL::bigint[], until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS TABLE(customer_key bigint, state text, reason smallint, attempted_at timestamp with time zone, accepted_at timestamp with time zone, delivered_at timestamp with time zone, chunk integer)
 LANGUAGE sql
 STABLE
AS $function$
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
$function$
