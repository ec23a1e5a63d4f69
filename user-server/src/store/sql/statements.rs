//! The statements, in the dialect that SQLite, PostgreSQL, CockroachDB and YugabyteDB share
//! (docs/adr/0009-cockroachdb-on-paper.md goes through them one by one).

/// The table of the resource; `db.collection.name` of spans.
pub(in crate::store) const TABLE: &str = "users";

pub(in crate::store) const GET: &str = "SELECT id, display_name, email, age, create_time, update_time, revision, seq \
     FROM users WHERE id = $1";

pub(in crate::store) const FIND_BY_EMAIL: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE email_key = $1";

/// Ends with the list of ids.
pub(in crate::store) const BATCH_GET: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE id IN (";

pub(in crate::store) const LIST: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE id > $1 AND substr(display_name, 1, $2) = $3 ORDER BY id LIMIT $4";

pub(in crate::store) const LIST_ALL: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE id > $1 ORDER BY id LIMIT $2";

pub(in crate::store) const UNCHANGED_SINCE: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE id > $1 AND seq <= $2 ORDER BY id LIMIT $3";

pub(in crate::store) const HEAD: &str = "SELECT last_seq FROM change_head WHERE id = 1";

/// Takes positions, and locks out every other writer until the transaction ends; therefore it comes as
/// late as possible.
pub(in crate::store) const ADVANCE: &str =
    "UPDATE change_head SET last_seq = last_seq + $1 WHERE id = 1 RETURNING last_seq";

/// No row is written when the address is taken.
pub(in crate::store) const INSERT: &str = "INSERT INTO users \
     (id, display_name, email, email_key, age, create_time, update_time, revision, seq) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (email_key) DO NOTHING";

/// No row is written when somebody else was faster.
pub(in crate::store) const UPDATE: &str = "UPDATE users SET display_name = $1, email = $2, email_key = $3, age = $4, update_time = $5, \
     revision = $6, seq = $7 WHERE id = $8 AND revision = $9";

/// No row is deleted when somebody else was faster.
pub(in crate::store) const DELETE: &str = "DELETE FROM users WHERE id = $1 AND revision = $2";

pub(in crate::store) const INSERT_CHANGE: &str = "INSERT INTO changes \
     (seq, kind, change_time, id, display_name, email, age, create_time, update_time, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub(in crate::store) const CHANGES: &str = "SELECT seq, kind, id, display_name, email, age, create_time, update_time, revision \
     FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2";

/// No row is written when the request was seen before.
pub(in crate::store) const INSERT_REQUEST: &str = "INSERT INTO create_requests (request_id, seq) VALUES ($1, $2) \
     ON CONFLICT (request_id) DO NOTHING";

pub(in crate::store) const FIRST_RESULT: &str = "SELECT c.seq, c.kind, c.id, c.display_name, c.email, c.age, c.create_time, c.update_time, c.revision \
     FROM create_requests r JOIN changes c ON c.seq = r.seq WHERE r.request_id = $1";

/// Ends with the list of addresses.
pub(in crate::store) const TAKEN: &str = "SELECT email_key FROM users WHERE email_key IN (";

/// Ends with the rows.
pub(in crate::store) const IMPORT: &str = "INSERT INTO users \
     (id, display_name, email, email_key, age, create_time, update_time, revision, seq) ";

/// Ends with the rows.
pub(in crate::store) const IMPORT_CHANGES: &str = "INSERT INTO changes \
     (seq, kind, change_time, id, display_name, email, age, create_time, update_time, revision) ";

pub(in crate::store) const OLDEST: &str =
    "SELECT seq, change_time FROM changes ORDER BY seq LIMIT $1";

pub(in crate::store) const PRUNE_REQUESTS: &str = "DELETE FROM create_requests WHERE seq <= $1";

pub(in crate::store) const PRUNE_CHANGES: &str = "DELETE FROM changes WHERE seq <= $1";

pub(in crate::store) const PING: &str = "SELECT 1 FROM users LIMIT 1";
