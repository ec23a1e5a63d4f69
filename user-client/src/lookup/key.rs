//! What is looked up by.

use clap::ValueEnum;
use user_api::v1::lookup_users_request;

/// What a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// An e-mail address when it contains an @, and else an id.
    #[default]
    Auto,
    /// An id.
    Id,
    /// An e-mail address.
    Email,
}

/// One thing to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it was given.
    pub text: String,
    /// What it is; never [`By::Auto`].
    by: By,
}

// === impl Key ===

impl Key {
    /// The key that `text` is.
    #[must_use]
    pub fn new(text: String, by: By) -> Self {
        let by = match by {
            By::Auto if text.contains('@') => By::Email,
            By::Auto => By::Id,
            told => told,
        };
        Self { text, by }
    }
}

impl From<&Key> for lookup_users_request::Key {
    fn from(key: &Key) -> Self {
        match key.by {
            By::Email => Self::Email(key.text.clone()),
            By::Id | By::Auto => Self::Id(key.text.clone()),
        }
    }
}
