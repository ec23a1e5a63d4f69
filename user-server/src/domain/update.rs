//! An update of some fields (AIP-134), and what it makes of a resource.

use jiff::Timestamp;

use super::user::to_microseconds;
use super::{Age, DisplayName, Draft, Email, Etag, User, UserId, Violations};

/// Which fields of which resource change, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which resource.
    pub id: UserId,
    /// Which version it must have; `None` whatever it has.
    pub etag: Option<Etag>,
    /// `None` leaves it as it is.
    pub display_name: Option<DisplayName>,
    /// `None` leaves it as it is.
    pub email: Option<Email>,
    /// `None` leaves it as it is, `Some(None)` forgets it.
    pub age: Option<Option<Age>>,
}

/// What a caller sent, unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateDraft<'a> {
    /// See [`UserId`].
    pub id: &'a str,
    /// Empty means whatever version there is.
    pub etag: &'a str,
    /// The new values.
    pub values: Draft<'a>,
    /// The paths of the fields to change. Empty means every populated one, `*` means all.
    pub mask: &'a [String],
}

/// Which fields a mask names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    display_name: bool,
    email: bool,
    age: bool,
}

// === impl Update ===

impl Update {
    /// Checks everything that the caller chose: the id, the mask, and the values that the mask names.
    ///
    /// # Errors
    /// With every violation, by the path of the field in the request.
    pub fn parse(draft: UpdateDraft<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let values = draft.values;
        let id = violations.check("user.id", draft.id.parse());
        let fields = Fields::parse(draft.mask, values, &mut violations);
        let display_name = fields
            .display_name
            .then(|| violations.check("user.display_name", values.display_name.parse()));
        let email = fields
            .email
            .then(|| violations.check("user.email", values.email.parse()));
        let age = fields.age.then(|| {
            let age = values.age.map(Age::try_from).transpose();
            violations.check("user.age", age)
        });
        match id {
            Some(id) if violations.found().is_empty() => Ok(Self {
                id,
                etag: (!draft.etag.is_empty()).then(|| Etag::from(draft.etag)),
                display_name: display_name.flatten(),
                email: email.flatten(),
                age: age.flatten(),
            }),
            _ => Err(violations),
        }
    }

    /// The next version of a resource. Its time never goes back, whatever the clocks of replicas say.
    #[must_use]
    pub fn apply(&self, old: &User, now: Timestamp) -> User {
        User {
            id: old.id,
            display_name: self
                .display_name
                .clone()
                .unwrap_or_else(|| old.display_name.clone()),
            email: self.email.clone().unwrap_or_else(|| old.email.clone()),
            age: self.age.unwrap_or(old.age),
            create_time: old.create_time,
            update_time: to_microseconds(now).max(old.update_time),
            revision: old.revision.saturating_add(1),
        }
    }
}

// === impl Fields ===

impl Fields {
    const ALL: Self = Self {
        display_name: true,
        email: true,
        age: true,
    };

    fn parse(mask: &[String], values: Draft<'_>, violations: &mut Violations) -> Self {
        match mask {
            [] => {
                let populated = Self {
                    display_name: !values.display_name.is_empty(),
                    email: !values.email.is_empty(),
                    age: values.age.is_some(),
                };
                if populated == Self::default() {
                    violations.add("update_mask", "must name a field, or one must be populated");
                }
                populated
            }
            [all] if all == "*" => Self::ALL,
            paths => {
                let mut fields = Self::default();
                for (index, path) in paths.iter().enumerate() {
                    let expected = match path.as_str() {
                        "display_name" => {
                            fields.display_name = true;
                            continue;
                        }
                        "email" => {
                            fields.email = true;
                            continue;
                        }
                        "age" => {
                            fields.age = true;
                            continue;
                        }
                        "*" => "must be the only path when it is *",
                        _ => "must be display_name, email, age or *",
                    };
                    violations.add(format!("update_mask.paths[{index}]"), expected);
                }
                fields
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::NewUser;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn parse(values: Draft<'_>, mask: &[&str]) -> Result<Update, Vec<String>> {
        let mask: Vec<_> = mask.iter().map(|&path| path.to_owned()).collect();
        Update::parse(UpdateDraft {
            id: ID,
            etag: "",
            values,
            mask: &mask,
        })
        .map_err(|violations| {
            let fields = violations.found().iter().map(|it| it.field.clone());
            fields.collect()
        })
    }

    #[test]
    fn an_empty_mask_means_every_populated_field() {
        let values = Draft {
            age: Some(7),
            ..Draft::default()
        };
        let update = parse(values, &[]).unwrap();
        assert_eq!(update.age, Some(Some(Age::try_from(7).unwrap())));
        assert_eq!((update.display_name, update.email), (None, None));
        assert_eq!(parse(Draft::default(), &[]).unwrap_err(), ["update_mask"]);
    }

    #[test]
    fn a_star_means_all_fields_also_the_absent_ones() {
        let values = Draft {
            display_name: "Ada",
            email: "ada@example.com",
            age: None,
        };
        assert_eq!(parse(values, &["*"]).unwrap().age, Some(None));
        let missing = parse(Draft::default(), &["*"]).unwrap_err();
        assert_eq!(missing, ["user.display_name", "user.email"]);
    }

    #[test]
    fn a_named_field_that_is_absent_is_forgotten_or_required() {
        assert_eq!(parse(Draft::default(), &["age"]).unwrap().age, Some(None));
        let missing = parse(Draft::default(), &["email"]).unwrap_err();
        assert_eq!(missing, ["user.email"]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let draft = UpdateDraft {
            id: "1",
            values: Draft {
                age: Some(-1),
                ..Draft::default()
            },
            mask: &["age", "*", "etag", "nonsense"].map(str::to_owned),
            ..UpdateDraft::default()
        };
        let violations = Update::parse(draft).unwrap_err();
        let fields: Vec<_> = violations.found().iter().map(|it| &*it.field).collect();
        assert_eq!(
            fields,
            [
                "user.id",
                "update_mask.paths[1]",
                "update_mask.paths[2]",
                "update_mask.paths[3]",
                "user.age"
            ]
        );
    }

    #[test]
    fn a_version_counts_up_and_its_time_never_goes_back() {
        let new = NewUser::parse(Draft {
            display_name: "Ada",
            email: "ada@example.com",
            age: Some(36),
        })
        .unwrap();
        let created = Timestamp::from_second(1_700_000_000).unwrap();
        let first = User::create(new, UserId::new(Uuid::from_u128(1)), created);
        let update = parse(Draft::default(), &["age"]).unwrap();
        let second = update.apply(&first, Timestamp::UNIX_EPOCH);
        assert_eq!(second.revision, 2);
        assert_eq!(second.update_time, created);
        assert_eq!(second.age, None);
        assert_eq!(second.email, first.email);
        assert_ne!(second.etag(), first.etag());
    }
}
