//! `ImportUsers`. Rows are read no faster than they are kept, one batch at a time, so that a million of
//! them need no more memory than a batch; the caller is slowed down by HTTP/2's flow control.

use jiff::Timestamp;
use tonic::Streaming;
use user_api::v1::{ImportError, ImportUsersRequest, ImportUsersResponse};
use uuid::Uuid;

use super::error::Error;
use super::{Service, convert, status};
use crate::domain::{NewUser, User, UserId, Violations};
use crate::store::{Imported, Store};

/// How many rows are kept in one transaction: enough to share its costs, and few enough that other
/// writers, who wait for it, do not notice.
const BATCH: usize = 500;

/// How many refused rows are reported.
const MAX_ERRORS: usize = 1000;

/// An import on its way.
#[derive(Debug, Default)]
struct Import {
    summary: ImportUsersResponse,
    /// Valid rows that are not kept yet, with their indices.
    batch: Vec<(i64, User)>,
    /// What became of the rows before this one is known.
    next_index: i64,
}

pub(super) async fn import<S: Store>(
    service: &Service<S>,
    mut rows: Streaming<ImportUsersRequest>,
) -> Result<ImportUsersResponse, Error> {
    let mut import = Import::default();
    while let Some(row) = rows.message().await.map_err(Error::Received)? {
        import.receive(&row);
        if import.batch.len() == BATCH {
            import.keep(&service.store).await?;
        }
    }
    import.keep(&service.store).await?;
    import.summary.errors.sort_by_key(|error| error.index);
    import.summary.errors.truncate(MAX_ERRORS);
    Ok(import.summary)
}

fn parse(row: &ImportUsersRequest) -> Result<NewUser, Violations> {
    let mut violations = Violations::default();
    let user = row.user.as_ref().ok_or("is required");
    violations
        .check("user", user)
        .and_then(|user| violations.nest("user", NewUser::parse(convert::draft(user))))
        .ok_or(violations)
}

// === impl Import ===

impl Import {
    fn receive(&mut self, row: &ImportUsersRequest) {
        let index = self.summary.received_count;
        self.summary.received_count += 1;
        match parse(row) {
            Ok(new) => {
                let user = User::create(new, UserId::new(Uuid::now_v7()), Timestamp::now());
                self.batch.push((index, user));
            }
            Err(violations) => self.refuse(
                index,
                status::reason::INVALID_FIELDS,
                format!("the row is not valid: {violations}"),
            ),
        }
    }

    async fn keep<S: Store>(&mut self, store: &S) -> Result<(), Error> {
        let (indices, users): (Vec<_>, Vec<_>) = self.batch.drain(..).unzip();
        let outcomes = store.import(&users).await.map_err(|source| Error::Import {
            next_index: u64::try_from(self.next_index).unwrap_or(0),
            source,
        })?;
        for ((index, user), outcome) in indices.into_iter().zip(users).zip(outcomes) {
            match outcome {
                Imported::Created => self.summary.created_count += 1,
                Imported::EmailTaken => self.refuse(
                    index,
                    status::reason::EMAIL_TAKEN,
                    format!("the e-mail address {} is taken", user.email.as_str()),
                ),
            }
        }
        self.next_index = self.summary.received_count;
        Ok(())
    }

    /// Rows of a batch are refused after those that were not even valid, so that up to a batch more is
    /// remembered than is reported: the first ones by index are among them.
    fn refuse(&mut self, index: i64, reason: &'static str, message: String) {
        self.summary.refused_count += 1;
        let errors = &mut self.summary.errors;
        if errors.len() >= 2 * MAX_ERRORS {
            errors.sort_by_key(|error| error.index);
            errors.truncate(MAX_ERRORS);
            if errors.last().is_some_and(|last| last.index < index) {
                return;
            }
        }
        errors.push(ImportError {
            index,
            reason: reason.to_owned(),
            message,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refused_rows_are_remembered_in_bounded_memory() {
        let mut import = Import::default();
        // Odd rows are refused late, a batch after the even ones.
        for block in 0..100 {
            let rows = block * 500..(block + 1) * 500;
            for index in rows.clone().filter(|index| index % 2 == 0) {
                import.refuse(index, "", String::new());
            }
            for index in rows.filter(|index| index % 2 == 1) {
                import.refuse(index, "", String::new());
            }
            assert!(import.summary.errors.len() <= 2 * MAX_ERRORS);
        }
        assert_eq!(import.summary.refused_count, 50_000);
        import.summary.errors.sort_by_key(|error| error.index);
        let first: Vec<_> = import.summary.errors.iter().map(|it| it.index).collect();
        assert_eq!(first[..MAX_ERRORS], (0..1000).collect::<Vec<_>>());
    }
}
