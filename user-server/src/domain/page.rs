//! Lists, page by page (AIP-158): a page token says after which resource the next page begins, and
//! belongs to the filter that it was made with.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{DisplayName, User, UserId, Violations};

/// How many resources a page has at the most, 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u16);

/// What a display name must begin with, compared code point by code point. Empty means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisplayNamePrefix(String);

/// Where a page begins, and with which filter. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    after: UserId,
    prefix: DisplayNamePrefix,
}

/// A checked request for one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// How many, at the most.
    pub size: PageSize,
    /// After which one; `None` from the first.
    pub after: Option<UserId>,
    /// Which ones.
    pub prefix: DisplayNamePrefix,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their creation.
    pub users: Vec<User>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<PageToken>,
}

/// The number cannot be a page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must not be negative")]
pub struct PageSizeError;

/// No display name can begin with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// There are more than 400 bytes.
    #[error("must have at most 400 bytes")]
    TooLong,
    /// There is a control character; PostgreSQL cannot even compare with NUL.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// The text is no token that a list returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be empty or the next_page_token of the page before")]
pub struct PageTokenError;

// === impl PageSize ===

impl PageSize {
    /// What a request without a size gets.
    pub const DEFAULT: Self = Self(50);
    /// What a request for more gets.
    pub const MAX: Self = Self(1000);

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i32> for PageSize {
    type Error = PageSizeError;

    fn try_from(size: i32) -> Result<Self, PageSizeError> {
        match u32::try_from(size) {
            Err(_) => Err(PageSizeError),
            Ok(0) => Ok(Self::DEFAULT),
            Ok(size) => {
                Ok(u16::try_from(size).map_or(Self::MAX, |size| Self(size.min(Self::MAX.0))))
            }
        }
    }
}

// === impl DisplayNamePrefix ===

impl DisplayNamePrefix {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayNamePrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        if text.len() > DisplayName::MAX_BYTES {
            return Err(PrefixError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PrefixError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

// === impl PageToken ===

impl PageToken {
    /// So that a later form can be told from this one.
    const VERSION: u8 = 1;
}

/// base64url of: the version (1 byte), the last id (16 bytes), the filter (UTF-8). The filter is
/// there in whole, so that no two can be taken for each other.
impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![Self::VERSION];
        bytes.extend_from_slice(self.after.uuid().as_bytes());
        bytes.extend_from_slice(self.prefix.0.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for PageToken {
    type Err = PageTokenError;

    fn from_str(text: &str) -> Result<Self, PageTokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PageTokenError)?;
        let Some((&Self::VERSION, rest)) = bytes.split_first() else {
            return Err(PageTokenError);
        };
        let (id, prefix) = rest.split_first_chunk().ok_or(PageTokenError)?;
        let prefix = std::str::from_utf8(prefix).map_err(|_| PageTokenError)?;
        Ok(Self {
            after: UserId::new(Uuid::from_bytes(*id)),
            prefix: prefix.parse().map_err(|_| PageTokenError)?,
        })
    }
}

// === impl Query ===

impl Query {
    /// Checks a request.
    ///
    /// # Errors
    /// With every violation, by the field's name.
    pub fn parse(size: i32, token: &str, prefix: &str) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let size = violations.check("page_size", PageSize::try_from(size));
        let token = match token {
            "" => Some(None),
            token => violations.check("page_token", token.parse::<PageToken>().map(Some)),
        };
        let prefix = violations.check("display_name_prefix", prefix.parse::<DisplayNamePrefix>());
        if let (Some(Some(token)), Some(prefix)) = (&token, &prefix)
            && token.prefix != *prefix
        {
            violations.add(
                "page_token",
                "must be used with the filter that it came from",
            );
            return Err(violations);
        }
        match (size, token, prefix) {
            (Some(size), Some(token), Some(prefix)) => Ok(Self {
                size,
                after: token.map(|token| token.after),
                prefix,
            }),
            _ => Err(violations),
        }
    }

    /// How many rows to read in order to know whether there is a further page.
    #[must_use]
    pub fn rows(&self) -> u32 {
        u32::from(self.size.get()) + 1
    }

    /// The page, from the rows that were read.
    #[must_use]
    pub fn page(&self, mut users: Vec<User>) -> Page {
        let size = usize::from(self.size.get());
        let has_more = users.len() > size;
        users.truncate(size);
        let next = users.last().filter(|_| has_more).map(|last| PageToken {
            after: last.id,
            prefix: self.prefix.clone(),
        });
        Page { users, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_clamped() {
        for (asked, given) in [
            (0, 50),
            (1, 1),
            (1000, 1000),
            (1001, 1000),
            (i32::MAX, 1000),
        ] {
            assert_eq!(PageSize::try_from(asked).unwrap().get(), given, "{asked}");
        }
        assert_eq!(PageSize::try_from(-1), Err(PageSizeError));
    }

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = PageToken {
            after: UserId::new(Uuid::from_u128(7)),
            prefix: "Ада".parse().unwrap(),
        };
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn a_token_belongs_to_its_filter() {
        let token = PageToken {
            after: UserId::new(Uuid::from_u128(7)),
            prefix: "A".parse().unwrap(),
        }
        .to_string();
        assert!(Query::parse(0, &token, "A").is_ok());
        for prefix in ["", "a", "AA"] {
            let violations = Query::parse(0, &token, prefix).unwrap_err();
            assert_eq!(violations.found()[0].field, "page_token");
        }
    }

    #[test]
    fn everything_wrong_with_a_request_is_told_at_once() {
        let violations = Query::parse(-1, "nonsense", &"x".repeat(401)).unwrap_err();
        let fields: Vec<_> = violations.found().iter().map(|it| &it.field).collect();
        assert_eq!(fields, ["page_size", "page_token", "display_name_prefix"]);
    }
}
