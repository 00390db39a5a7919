CREATE TABLE segment (
    segment_id text PRIMARY KEY,
    version integer NOT NULL,
    archived boolean NOT NULL DEFAULT false
);

-- A version never changes: a campaign is bound to the one it was approved with. rule is null for an uploaded list.
CREATE TABLE segment_version (
    segment_id text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    rule jsonb,
    list_key integer,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (segment_id, version),
    CHECK ((rule IS NULL) <> (list_key IS NULL))
);

CREATE SEQUENCE segment_list_key AS integer;

CREATE TABLE segment_list_member (
    list_key integer NOT NULL,
    customer_key bigint NOT NULL,
    PRIMARY KEY (list_key, customer_key)
);
