//! The difference between two lists of addresses, as a pure function.

use std::collections::HashSet;

use crate::resolver::Address;

/// What to do to come from one list of addresses to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Those that are new, in their order, each once.
    pub(super) added: Vec<Address>,
    /// Those that are gone.
    pub(super) removed: HashSet<Address>,
}

// === impl Change ===

impl Change {
    /// Takes time in proportion to both lengths; an address that is repeated counts once.
    pub(super) fn between<'a>(
        old: impl IntoIterator<Item = &'a Address>,
        new: impl IntoIterator<Item = &'a Address>,
    ) -> Self {
        let old: HashSet<&Address> = old.into_iter().collect();
        let mut seen = HashSet::new();
        let mut added = Vec::new();
        for address in new {
            if seen.insert(address) && !old.contains(address) {
                added.push(address.clone());
            }
        }
        let removed = old
            .difference(&seen)
            .map(|address| (*address).clone())
            .collect();
        Self { added, removed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, SocketAddr};

    fn addresses(numbers: &[u8]) -> Vec<Address> {
        let address = |n: &u8| SocketAddr::from((Ipv4Addr::new(10, 0, 0, *n), 80)).into();
        numbers.iter().map(address).collect()
    }

    #[test]
    fn what_stays_is_not_touched() {
        let change = Change::between(&addresses(&[1, 2, 3]), &addresses(&[4, 3, 2, 4]));
        assert_eq!(change.added, addresses(&[4]));
        assert_eq!(change.removed, addresses(&[1]).into_iter().collect());
        let change = Change::between(&addresses(&[1, 2]), &addresses(&[2, 1, 1]));
        assert!(change.added.is_empty() && change.removed.is_empty());
    }

    proptest! {
        #[test]
        fn the_change_leads_from_the_old_to_the_new(old: Vec<u8>, new: Vec<u8>) {
            let (old, new) = (addresses(&old), addresses(&new));
            let change = Change::between(&old, &new);
            let mut result: HashSet<Address> = old.into_iter().collect();
            for gone in &change.removed {
                prop_assert!(result.remove(gone), "only what was there is removed");
            }
            for address in change.added {
                prop_assert!(result.insert(address), "only what was not there is added");
            }
            prop_assert_eq!(result, new.into_iter().collect());
        }
    }
}
