-- The change feed: every change of every row, in the one order in which they were committed.

-- The position of the last change. SQLite has one writer, so that the order of the numbers is that of
-- the commits.
CREATE TABLE change_head (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_seq INTEGER NOT NULL
) STRICT;

INSERT INTO change_head (id, last_seq) VALUES (1, 0);

-- The row as it was after the change, or before its deletion. kind: 1 added, 2 updated, 3 deleted.
CREATE TABLE changes (
    seq          INTEGER NOT NULL PRIMARY KEY,
    kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
    change_time  INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    age          INTEGER,
    create_time  INTEGER NOT NULL,
    update_time  INTEGER NOT NULL,
    revision     INTEGER NOT NULL
) STRICT;

-- The position of the row's last change; what is older than the feed stands before its start.
ALTER TABLE users ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;

-- A repeated request is answered with the change that the first one made. Requests from before the
-- feed are forgotten.
DROP TABLE create_requests;

CREATE TABLE create_requests (
    request_id TEXT    NOT NULL PRIMARY KEY,
    seq        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX create_requests_by_seq ON create_requests (seq);
