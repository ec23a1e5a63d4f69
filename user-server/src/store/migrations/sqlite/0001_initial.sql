-- Times are microseconds since 1970-01-01T00:00:00Z. Ids are UUIDs in their lower-case textual form,
-- so that whoever looks into the database can read them; version 7 sorts them by creation.

CREATE TABLE users (
    id           TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    -- The e-mail address in lower case: two that differ in case only are the same.
    email_key    TEXT    NOT NULL UNIQUE,
    age          INTEGER CHECK (age BETWEEN 0 AND 150),
    create_time  INTEGER NOT NULL,
    update_time  INTEGER NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision > 0)
) STRICT, WITHOUT ROWID;

-- What makes CreateUser repeatable: which call made which row.
CREATE TABLE create_requests (
    request_id TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX create_requests_by_user ON create_requests (user_id);
