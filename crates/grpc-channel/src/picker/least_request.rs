//! Least request (gRFC [A48]): the fewest calls in flight among a few that are chosen at random.
//!
//! Comparing all of them would send every client's next call to the same replica, and would cost
//! more the more there are; two random ones already keep the longest queue short.
//!
//! [A48]: https://github.com/grpc/proposal/blob/master/A48-xds-least-request-lb-policy.md

/// What is busy with calls.
pub(crate) trait Load {
    /// How many calls it has now.
    fn in_flight(&self) -> u64;
}

/// Gives the least loaded of some random items.
#[derive(Debug)]
pub(crate) struct LeastRequest<T> {
    items: Box<[T]>,
    choices: u32,
}

// === impl LeastRequest ===

impl<T: Load> LeastRequest<T> {
    /// Compares `choices` items at each pick. `None` when there is no item.
    pub(crate) fn new(items: impl Into<Box<[T]>>, choices: u32) -> Option<Self> {
        let items = items.into();
        (!items.is_empty()).then_some(Self { items, choices })
    }

    /// `random` gives an even choice of the numbers below its argument, which is at least 1. As A48
    /// says, the same item may be chosen twice.
    pub(crate) fn pick(&self, mut random: impl FnMut(usize) -> usize) -> &T {
        let mut chosen = || &self.items[random(self.items.len())];
        let mut best = chosen();
        let mut least = best.in_flight();
        for _ in 1..self.choices {
            let other = chosen();
            let in_flight = other.in_flight();
            if in_flight < least {
                (best, least) = (other, in_flight);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    struct Busy(Cell<u64>);

    impl Load for Busy {
        fn in_flight(&self) -> u64 {
            self.0.get()
        }
    }

    fn busy(loads: &[u64]) -> Vec<Busy> {
        loads.iter().map(|load| Busy(Cell::new(*load))).collect()
    }

    #[test]
    fn nothing_cannot_be_picked_from() {
        assert!(LeastRequest::<Busy>::new([], 2).is_none());
    }

    #[test]
    fn idle_items_are_used_about_equally() {
        let picker = LeastRequest::new(busy(&[0; 10]), 2).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let least = picker.pick(|below| random.usize(..below));
            least.0.set(least.0.get() + 1);
        }
        // Each call stays, so the counts are kept close together by the policy itself.
        assert!(
            picker
                .items
                .iter()
                .all(|item| (990..=1_010).contains(&item.in_flight())),
            "{:?}",
            picker.items.iter().map(Load::in_flight).collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn the_least_loaded_of_the_chosen_is_picked(
            loads in prop::collection::vec(0u64..100, 1..50), choices in 2u32..=10, seed: u64,
        ) {
            let picker = LeastRequest::new(busy(&loads), choices).unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let mut chosen = Vec::new();
            let least = picker.pick(|below| {
                let index = random.usize(..below);
                chosen.push(loads[index]);
                index
            });
            prop_assert_eq!(chosen.len(), choices as usize);
            prop_assert_eq!(Some(least.in_flight()), chosen.into_iter().min());
        }
    }
}
