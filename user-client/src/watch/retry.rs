//! Which failures of a stream are worth another try, and when.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The delay after the first failure, before jitter.
const BASE: Duration = Duration::from_millis(100);
/// By how much every further failure lengthens it.
const MULTIPLIER: f64 = 1.6;
/// The longest delay, before jitter.
const MAX: Duration = Duration::from_secs(10);
/// The share that randomness adds or takes away, so that the watchers of a replica do not all come
/// back in the same instant.
const JITTER: f64 = 0.2;

/// The key of the token in `ErrorInfo.metadata`.
const RESUME_TOKEN: &str = "resume_token";

/// Whether a stream that ended with this status may be continued.
///
/// A rollout, an overload, a lost connection and a proxy's time limit pass; what is wrong with the
/// request or with who makes it does not.
#[must_use]
pub const fn is_worthwhile(code: Code) -> bool {
    match code {
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Unknown => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::OutOfRange
        | Code::FailedPrecondition
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented
        | Code::DataLoss => false,
    }
}

/// Whether this status means that the place to continue from is not, or no longer, known.
#[must_use]
pub const fn is_about_the_token(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition | Code::NotFound
    )
}

/// The resume token that the server sent along with the end of the stream, if it did.
#[must_use]
pub fn resume_token(status: &Status) -> Option<String> {
    status
        .get_details_error_info()?
        .metadata
        .remove(RESUME_TOKEN)
        .filter(|token| !token.is_empty())
}

/// How long to wait after `failures` failures in a row (1 for the first), where `random` is drawn
/// evenly from [0, 1). A server that says when to come back is obeyed.
#[must_use]
pub fn delay(failures: u32, status: &Status, random: f64) -> Duration {
    let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = BASE.as_secs_f64() * MULTIPLIER.powi(exponent);
    let jittered = grown.min(MAX.as_secs_f64()) * (1.0 + JITTER * (2.0 * random - 1.0));
    let own = Duration::try_from_secs_f64(jittered).unwrap_or(MAX);
    let told = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    told.map_or(own, |told| own.max(told))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic_types::ErrorDetails;

    use super::*;

    proptest! {
        #[test]
        fn the_delay_grows_to_a_bound(failures in 1u32.., random in 0.0..1.0) {
            let status = Status::unavailable("");
            let delay = delay(failures, &status, random);
            prop_assert!(delay >= BASE.mul_f64(1.0 - JITTER) && delay <= MAX.mul_f64(1.0 + JITTER));
        }
    }

    #[test]
    fn a_server_that_says_when_to_come_back_is_obeyed() {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_secs(30)));
        let status = Status::with_error_details(Code::ResourceExhausted, "", details);
        assert_eq!(delay(1, &status, 0.5), Duration::from_secs(30));
    }

    #[test]
    fn the_end_of_a_stream_may_carry_a_token() {
        let with = |metadata: &[(&str, &str)]| {
            let mut details = ErrorDetails::new();
            let metadata = metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            details.set_error_info(
                "DRAINING",
                "user.v1",
                metadata.collect::<std::collections::HashMap<_, _>>(),
            );
            resume_token(&Status::with_error_details(Code::Unavailable, "", details))
        };
        assert_eq!(with(&[("resume_token", "t")]).as_deref(), Some("t"));
        assert_eq!(with(&[("resume_token", "")]), None);
        assert_eq!(with(&[]), None);
        assert_eq!(resume_token(&Status::unavailable("")), None);
    }

    #[test]
    fn what_is_wrong_with_the_request_is_not_sent_again() {
        assert!(is_worthwhile(Code::Unavailable) && is_worthwhile(Code::ResourceExhausted));
        for code in (0..=16).map(Code::from) {
            assert!(
                !(is_worthwhile(code) && is_about_the_token(code)),
                "{code:?} cannot be both"
            );
        }
    }
}
