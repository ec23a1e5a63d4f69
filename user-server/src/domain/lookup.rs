//! One question of a pipeline of look-ups.

use std::str::FromStr;

use super::{Email, UserId};

/// What the caller matches answers by: at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// What to look up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its id.
    Id(UserId),
    /// Its e-mail address, without regard to case.
    Email(Email),
}

/// The text cannot be a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have at most 64 bytes")]
pub struct TagError;

// === impl Tag ===

impl Tag {
    /// The most bytes of UTF-8.
    pub const MAX_BYTES: usize = 64;
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.len() > Self::MAX_BYTES {
            return Err(TagError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_measured_in_bytes() {
        for (text, fits) in [
            ("", true),
            (&*"x".repeat(64), true),
            (&*"ä".repeat(33), false),
        ] {
            assert_eq!(text.parse::<Tag>().is_ok(), fits, "{text}");
        }
    }
}
