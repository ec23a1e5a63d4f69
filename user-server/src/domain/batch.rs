//! Several ids in one request (AIP-231).

use super::{UserId, Violations};

/// 1 to 1,000 ids in the order of the request; one may be there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids(Vec<UserId>);

// === impl Ids ===

impl Ids {
    /// The most ids of one request.
    pub const MAX: usize = 1000;

    /// Checks every id.
    ///
    /// # Errors
    /// With every violation, by the field's path. The ids of a list that is too long are not looked at.
    pub fn parse(ids: &[String]) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        if ids.is_empty() || ids.len() > Self::MAX {
            violations.add("ids", format!("must have 1 to {} ids", Self::MAX));
            return Err(violations);
        }
        let parsed: Vec<_> = ids
            .iter()
            .enumerate()
            .filter_map(|(index, id)| violations.check(&format!("ids[{index}]"), id.parse()))
            .collect();
        if violations.found().is_empty() {
            Ok(Self(parsed))
        } else {
            Err(violations)
        }
    }

    /// The ids, in the order of the request.
    #[must_use]
    pub fn as_slice(&self) -> &[UserId] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn there_are_1_to_1000_ids() {
        for (count, fits) in [(0, false), (1, true), (1000, true), (1001, false)] {
            assert_eq!(
                Ids::parse(&vec![ID.to_owned(); count]).is_ok(),
                fits,
                "{count}"
            );
        }
    }

    #[test]
    fn every_malformed_id_is_reported_by_its_index() {
        let ids = ["x", ID, ""].map(str::to_owned);
        let violations = Ids::parse(&ids).unwrap_err();
        let fields: Vec<_> = violations.found().iter().map(|it| &it.field).collect();
        assert_eq!(fields, ["ids[0]", "ids[2]"]);
    }
}
