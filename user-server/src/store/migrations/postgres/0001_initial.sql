-- Plain enough for CockroachDB and YugabyteDB (docs/adr): no sequence, trigger, function or extension.
-- Times are microseconds since 1970-01-01T00:00:00Z. Ids are UUIDs of version 7, which sort by creation.

CREATE TABLE users (
    id           UUID   NOT NULL PRIMARY KEY,
    display_name TEXT   NOT NULL,
    email        TEXT   NOT NULL,
    -- The e-mail address in lower case: two that differ in case only are the same.
    email_key    TEXT   NOT NULL,
    age          BIGINT CHECK (age BETWEEN 0 AND 150),
    create_time  BIGINT NOT NULL,
    update_time  BIGINT NOT NULL,
    revision     BIGINT NOT NULL CHECK (revision > 0),
    -- The position of the row's last change.
    seq          BIGINT NOT NULL,
    CONSTRAINT users_email_key UNIQUE (email_key)
);

-- The position of the last change. Whoever writes locks this row until the commit, so that the order of
-- the positions is that of the commits, without a gap.
CREATE TABLE change_head (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    last_seq BIGINT NOT NULL
);

INSERT INTO change_head (id, last_seq) VALUES (1, 0);

-- The row as it was after the change, or before its deletion. kind: 1 added, 2 updated, 3 deleted.
CREATE TABLE changes (
    seq          BIGINT NOT NULL PRIMARY KEY,
    kind         BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 3),
    change_time  BIGINT NOT NULL,
    id           UUID   NOT NULL,
    display_name TEXT   NOT NULL,
    email        TEXT   NOT NULL,
    age          BIGINT,
    create_time  BIGINT NOT NULL,
    update_time  BIGINT NOT NULL,
    revision     BIGINT NOT NULL
);

-- What makes CreateUser repeatable: a request, and the change that it made.
CREATE TABLE create_requests (
    request_id UUID   NOT NULL PRIMARY KEY,
    seq        BIGINT NOT NULL
);

CREATE INDEX create_requests_by_seq ON create_requests (seq);
