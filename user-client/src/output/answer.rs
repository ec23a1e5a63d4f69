//! An answer of a pipeline of look-ups, as a row and as `ProtoJSON`.

use serde::Serialize;
use user_api::v1::LookupUsersResponse;
use user_api::v1::lookup_users_response::Result as Found;

use super::row::header;
use super::{Resource, printable};

/// An answer in its `ProtoJSON` form, and the key that was asked for.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    tag: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Resource<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<LookupError<'a>>,
}

#[derive(Debug, Serialize)]
struct LookupError<'a> {
    reason: &'a str,
    message: &'a str,
}

/// The line above the rows of answers.
#[must_use]
pub fn answer_header() -> String {
    format!("{:>6}  {}", "TAG", header())
}

// === impl Answer ===

impl<'a> Answer<'a> {
    /// The answer to the question for `key`; `None` when it carries neither a resource nor an error.
    #[must_use]
    pub fn new(answer: &'a LookupUsersResponse, key: &'a str) -> Option<Self> {
        let (user, error) = match answer.result.as_ref()? {
            Found::User(user) => (Some(Resource::from(user)), None),
            Found::Error(error) => {
                let error = LookupError {
                    reason: &error.reason,
                    message: &error.message,
                };
                (None, Some(error))
            }
        };
        Some(Self {
            tag: &answer.tag,
            key,
            user,
            error,
        })
    }

    /// Whether there is a resource.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        self.user.is_some()
    }

    /// One row under [`answer_header`].
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let what = match (&self.user, &self.error) {
            (Some(user), _) => user.row(),
            (None, Some(error)) => format!(
                "{}: {}: {}",
                printable(self.key),
                printable(error.reason),
                printable(error.message)
            ),
            (None, None) => String::new(),
        };
        format!("{:>6}  {what}", printable(self.tag))
    }
}
