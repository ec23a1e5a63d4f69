//! The fields that callers choose, each valid by construction.

use std::str::FromStr;

use email_address::{EmailAddress, Options};

/// What people call it: 1 to 100 characters (Unicode scalar values), at most 400 bytes of UTF-8, no
/// control characters, no white space at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

/// An e-mail address (RFC 5321) of at most 254 bytes, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// Years, 0 to 150.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(u8);

/// The text cannot be a display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisplayNameError {
    /// Nothing is there.
    #[error("is required")]
    Missing,
    /// There are more than 100 characters, or more than 400 bytes.
    #[error("must have at most 100 characters and 400 bytes")]
    TooLong,
    /// There is a control character, such as a line break.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// It begins or ends with white space.
    #[error("must not begin or end with white space")]
    OuterWhiteSpace,
}

/// The text cannot be an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing is there.
    #[error("is required")]
    Missing,
    /// There are more than 254 bytes.
    #[error("must have at most 254 bytes")]
    TooLong,
    /// RFC 5321 has no such address.
    #[error("must be an e-mail address, such as ada@example.com")]
    Malformed,
}

/// The number cannot be an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be from 0 to 150")]
pub struct AgeError;

// === impl DisplayName ===

impl DisplayName {
    /// The most characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 100;
    /// The most bytes of UTF-8.
    pub const MAX_BYTES: usize = 400;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        name.0
    }
}

impl FromStr for DisplayName {
    type Err = DisplayNameError;

    fn from_str(text: &str) -> Result<Self, DisplayNameError> {
        if text.is_empty() {
            Err(DisplayNameError::Missing)
        } else if text.len() > Self::MAX_BYTES || text.chars().count() > Self::MAX_CHARS {
            Err(DisplayNameError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(DisplayNameError::ControlCharacter)
        } else if text.trim() != text {
            Err(DisplayNameError::OuterWhiteSpace)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

// === impl Email ===

impl Email {
    /// The most bytes (RFC 5321, as corrected by erratum 1690).
    pub const MAX_BYTES: usize = 254;

    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two addresses that differ in case only are equal.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        if text.is_empty() {
            return Err(EmailError::Missing);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(EmailError::Malformed);
        }
        EmailAddress::parse_with_options(text, Options::default().without_display_text())
            .map_err(|_| EmailError::Malformed)?;
        Ok(Self(text.to_owned()))
    }
}

// === impl Age ===

impl Age {
    const MAX: u8 = 150;

    /// The years.
    #[must_use]
    pub fn years(self) -> u8 {
        self.0
    }
}

impl TryFrom<i32> for Age {
    type Error = AgeError;

    fn try_from(years: i32) -> Result<Self, AgeError> {
        u8::try_from(years)
            .ok()
            .filter(|years| *years <= Self::MAX)
            .map(Self)
            .ok_or(AgeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_are_measured_in_characters_and_bytes() {
        let longest = "𝄞".repeat(DisplayName::MAX_CHARS);
        assert_eq!(longest.len(), DisplayName::MAX_BYTES);
        for (text, expected) in [
            ("Ada Lovelace", None),
            ("Владимир 李小龍", None),
            (longest.as_str(), None),
            ("", Some(DisplayNameError::Missing)),
            (&format!("{longest}x"), Some(DisplayNameError::TooLong)),
            (&"x".repeat(101), Some(DisplayNameError::TooLong)),
            ("a\nb", Some(DisplayNameError::ControlCharacter)),
            ("a\0b", Some(DisplayNameError::ControlCharacter)),
            ("a\u{85}b", Some(DisplayNameError::ControlCharacter)),
            (" a", Some(DisplayNameError::OuterWhiteSpace)),
            ("a\u{2003}", Some(DisplayNameError::OuterWhiteSpace)),
        ] {
            assert_eq!(text.parse::<DisplayName>().err(), expected, "{text:?}");
        }
    }

    #[test]
    fn emails_are_addresses_and_nothing_round_them() {
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(200));
        for (text, expected) in [
            ("ada@example.com", None),
            ("Ada.Lovelace+news@example.co.uk", None),
            ("", Some(EmailError::Missing)),
            ("ada", Some(EmailError::Malformed)),
            ("ada@", Some(EmailError::Malformed)),
            ("@example.com", Some(EmailError::Malformed)),
            ("ada@exa mple.com", Some(EmailError::Malformed)),
            ("Ada <ada@example.com>", Some(EmailError::Malformed)),
            (" ada@example.com", Some(EmailError::Malformed)),
            ("ada@example.com\n", Some(EmailError::Malformed)),
            (long.as_str(), Some(EmailError::TooLong)),
        ] {
            assert_eq!(text.parse::<Email>().err(), expected, "{text:?}");
        }
    }

    #[test]
    fn emails_that_differ_in_case_are_the_same() {
        let upper: Email = "ADA@Example.COM".parse().unwrap();
        assert_eq!(upper.key(), "ada@example.com");
        assert_eq!(
            upper.as_str(),
            "ADA@Example.COM",
            "the caller's spelling is kept"
        );
    }

    #[test]
    fn ages_have_bounds() {
        for (years, fits) in [
            (0, true),
            (150, true),
            (151, false),
            (-1, false),
            (i32::MAX, false),
        ] {
            assert_eq!(Age::try_from(years).is_ok(), fits, "{years}");
        }
    }
}
