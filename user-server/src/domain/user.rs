//! The resource, and how one comes to be.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Age, DisplayName, Email, Violations};

/// The one resource of this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name for machines.
    pub id: UserId,
    /// Its name for people.
    pub display_name: DisplayName,
    /// Unique without regard to case.
    pub email: Email,
    /// Absent when it is not known.
    pub age: Option<Age>,
    /// When it was created, to the microsecond.
    pub create_time: Timestamp,
    /// When it was last changed, to the microsecond.
    pub update_time: Timestamp,
    /// Counts the changes, from 1.
    pub revision: u32,
}

/// A UUID in its lower-case textual form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

/// What identifies one version of a resource. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(String);

/// What makes a creation repeatable: a UUID that the caller chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

/// What a caller sent, unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft<'a> {
    /// See [`DisplayName`].
    pub display_name: &'a str,
    /// See [`Email`].
    pub email: &'a str,
    /// See [`Age`].
    pub age: Option<i32>,
}

/// What a caller may choose, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Its name for people.
    pub display_name: DisplayName,
    /// Unique without regard to case.
    pub email: Email,
    /// Absent when it is not known.
    pub age: Option<Age>,
}

/// The text is no UUID in its lower-case, hyphenated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID in lower case, such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct IdError;

fn parse_uuid(text: &str) -> Result<Uuid, IdError> {
    // One resource has one name; the other forms that a UUID can be written in are refused.
    let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    Uuid::try_parse(text)
        .ok()
        .filter(|_| is_canonical)
        .ok_or(IdError)
}

/// Cuts a time to the microsecond, which every store keeps.
pub(super) fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

// === impl User ===

impl User {
    /// The first version of a resource. Times are cut to the microsecond, which every store keeps.
    #[must_use]
    pub fn create(new: NewUser, id: UserId, now: Timestamp) -> Self {
        let now = to_microseconds(now);
        Self {
            id,
            display_name: new.display_name,
            email: new.email,
            age: new.age,
            create_time: now,
            update_time: now,
            revision: 1,
        }
    }

    /// Changes with every change of the resource.
    #[must_use]
    pub fn etag(&self) -> Etag {
        Etag(format!("{:08x}", self.revision))
    }
}

// === impl UserId ===

impl UserId {
    /// Takes a UUID. A version 7 one keeps the resources in the order of their creation.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for UserId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_uuid(text).map(Self)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

// === impl Etag ===

/// As a caller sent it; one that was never made by [`User::etag`] is simply nobody's.
impl From<&str> for Etag {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl RequestId ===

impl RequestId {
    /// The UUID.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_uuid(text).map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

// === impl NewUser ===

impl NewUser {
    /// Checks every field.
    ///
    /// # Errors
    /// With every violation, by the field's name.
    pub fn parse(draft: Draft<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let display_name = violations.check("display_name", draft.display_name.parse());
        let email = violations.check("email", draft.email.parse());
        let age = violations.check("age", draft.age.map(Age::try_from).transpose());
        match (display_name, email, age) {
            (Some(display_name), Some(email), Some(age)) => Ok(Self {
                display_name,
                email,
                age,
            }),
            _ => Err(violations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_reported_at_once() {
        let violations = NewUser::parse(Draft {
            display_name: "",
            email: "nobody",
            age: Some(-1),
        })
        .unwrap_err();
        let fields: Vec<_> = violations.found().iter().map(|it| &it.field).collect();
        assert_eq!(fields, ["display_name", "email", "age"]);
    }

    #[test]
    fn ids_have_one_form() {
        for (text, well_formed) in [
            ("01890a5d-ac96-774b-bcce-b302099a8057", true),
            ("01890A5D-AC96-774B-BCCE-B302099A8057", false),
            ("01890a5dac96774bbcceb302099a8057", false),
            ("{01890a5d-ac96-774b-bcce-b302099a8057}", false),
            ("", false),
            ("1", false),
        ] {
            assert_eq!(text.parse::<UserId>().is_ok(), well_formed, "{text:?}");
        }
    }

    #[test]
    fn a_new_resource_has_one_time_that_any_store_can_keep() {
        let new = NewUser::parse(Draft {
            display_name: "Ada",
            email: "ada@example.com",
            age: None,
        })
        .unwrap();
        let now = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
        let created = User::create(new, UserId::new(Uuid::nil()), now);
        assert_eq!(created.create_time.subsec_nanosecond(), 123_456_000);
        assert_eq!(created.create_time, created.update_time);
        assert_eq!(created.etag().to_string(), "00000001");
    }
}
