-- What the bank's own app shows a customer: the gateway of the app channel that needs no provider stores it here. touch_key
-- is the sender's, and stored once; unread is what bears no mark. Deleted some days after it expires.
CREATE TABLE inbox_message (
    customer_key bigint NOT NULL,
    message_id bigint GENERATED ALWAYS AS IDENTITY,
    stored_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    shown_at timestamptz,
    clicked_at timestamptz,
    dismissed_at timestamptz,
    purpose smallint NOT NULL,
    touch_key text NOT NULL,
    title text,
    text text NOT NULL,
    link text,
    PRIMARY KEY (customer_key, message_id),
    UNIQUE (customer_key, touch_key)
) WITH (fillfactor = 90);
CREATE INDEX inbox_message_expires ON inbox_message (expires_at);
