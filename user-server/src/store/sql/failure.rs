//! The databases' errors, by what a caller can do about them.

use std::io::ErrorKind;

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::store::Error;

/// SQLite's primary result codes that say "not now": BUSY, LOCKED, IOERR, FULL, CANTOPEN
/// (<https://www.sqlite.org/rescode.html>).
const NOT_NOW: [i32; 5] = [5, 6, 10, 13, 14];

/// What another try at once can cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    /// The transaction again.
    Again,
    /// Time.
    Later,
    /// Nothing.
    None,
}

/// Whether an extended result code's primary one, its lowest byte, says "not now".
pub(in crate::store) fn is_busy(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| NOT_NOW.contains(&(code & 0xff)))
}

/// Whether a database that cannot be opened for this reason may be opened later, with nothing changed
/// here. A certificate that is not trusted is not trusted later either.
pub(in crate::store) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => false,
        // How rustls says that it does not trust the server.
        sqlx::Error::Io(error) => error.kind() != ErrorKind::InvalidData,
        error => cure(error) != Cure::None,
    }
}

fn cure(error: &sqlx::Error) -> Cure {
    match error {
        sqlx::Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                cure_of_sqlstate(error.code())
            } else if error.try_downcast_ref::<SqliteError>().is_some()
                && is_busy(error.code().as_deref())
            {
                Cure::Later
            } else {
                Cure::None
            }
        }
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed => Cure::Later,
        _ => Cure::None,
    }
}

/// PostgreSQL's codes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn cure_of_sqlstate(code: &str) -> Cure {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Cure::Again,
        // query_canceled (by the statement timeout), lock_not_available, read_only_sql_transaction (the
        // old primary after a failover), admin_shutdown, crash_shutdown, cannot_connect_now,
        // idle_session_timeout, statement_completion_unknown (CockroachDB)
        "40003" | "57014" | "55P03" | "25006" | "57P01" | "57P02" | "57P03" | "57P05" => {
            Cure::Later
        }
        // connection exceptions, insufficient resources, system errors
        _ if matches!(&code[..2.min(code.len())], "08" | "53" | "58") => Cure::Later,
        _ => Cure::None,
    }
}

// === impl Error ===

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match cure(&error) {
            Cure::Again => Self::Contended(Some(error.into())),
            Cure::Later => Self::Unavailable(error.into()),
            Cure::None => Self::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for (code, expected) in [
            ("40001", Cure::Again),
            ("40P01", Cure::Again),
            ("57P01", Cure::Later),
            ("57014", Cure::Later),
            ("08006", Cure::Later),
            ("53300", Cure::Later),
            ("42P01", Cure::None),
            ("23505", Cure::None),
            ("", Cure::None),
        ] {
            assert_eq!(cure_of_sqlstate(code), expected, "{code}");
        }
        for (code, expected) in [("5", true), ("261", true), ("13", true), ("2067", false)] {
            assert_eq!(is_busy(Some(code)), expected, "{code}");
        }
    }
}
