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
    rule json,                    -- as text, for the order of its members
    list_key integer,
    list_size integer,
    fields text[] NOT NULL,       -- those that the rule itself names
    depth integer NOT NULL,       -- with the segments that the rule names in their places, as is nodes
    nodes integer NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (segment_id, version),
    CHECK ((rule IS NULL) <> (list_key IS NULL)),
    CHECK ((list_key IS NULL) = (list_size IS NULL))
);

-- Which version of another segment a version names. When that one gets a new version, so does this one: what a version
-- means never changes either.
CREATE TABLE segment_use (
    segment_id text NOT NULL,
    version integer NOT NULL,
    used_id text NOT NULL,
    used_version integer NOT NULL,
    PRIMARY KEY (segment_id, version, used_id)
);

CREATE SEQUENCE segment_list_key AS integer;

CREATE TABLE segment_list_member (
    list_key integer NOT NULL,
    customer_key bigint NOT NULL,
    PRIMARY KEY (list_key, customer_key)
);
