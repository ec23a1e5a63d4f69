//! Weighted round robin: the static stride scheduler of gRFC [A58].
//!
//! Every round passes over all items once, and an item is left out of as many rounds as its weight
//! falls short of the greatest. So the calls of a heavy item are spread over time instead of coming
//! in a row, and with equal weights no item is ever left out: it is round robin then, exactly.
//!
//! [A58]: https://github.com/grpc/proposal/blob/master/A58-client-side-weighted-round-robin-lb-policy.md

use std::sync::atomic::{AtomicU64, Ordering};

/// What the greatest weight is scaled to.
const FULL: u64 = u16::MAX as u64;

/// Gives its items in proportion to their weights, to any number of threads.
///
/// A pick looks at as many items, on average, as the greatest weight is times the mean.
#[derive(Debug)]
pub(crate) struct Weighted<T> {
    items: Box<[Item<T>]>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Item<T> {
    value: T,
    /// 1 to [`FULL`].
    weight: u64,
    /// Lets items of the same weight be left out of different rounds.
    offset: u64,
}

// === impl Weighted ===

impl<T> Weighted<T> {
    /// Starts at turn `start`; a weight of 0 counts as 1. `None` when there is no item.
    pub(crate) fn new(items: impl IntoIterator<Item = (T, u32)>, start: u32) -> Option<Self> {
        let items: Vec<(T, u32)> = items.into_iter().collect();
        let greatest = u64::from(items.iter().map(|(_, weight)| *weight).max()?.max(1));
        let items = items
            .into_iter()
            .zip(0u64..)
            .map(|((value, weight), place)| Item {
                value,
                weight: (u64::from(weight) * FULL / greatest).clamp(1, FULL),
                offset: place.wrapping_mul(FULL / 2),
            });
        Some(Self {
            items: items.collect(),
            next: AtomicU64::new(start.into()),
        })
    }

    pub(crate) fn pick(&self) -> &T {
        let count = self.items.len() as u64;
        loop {
            // Relaxed: the counter orders nothing but itself.
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the remainder is less than the length, which is a usize"
            )]
            let item = &self.items[(turn % count) as usize];
            // The item with the greatest weight always passes, so a round ends the search.
            if item.passes(turn / count) {
                return &item.value;
            }
        }
    }
}

// === impl Item ===

impl<T> Item<T> {
    /// Whether it has its turn in this round.
    fn passes(&self, round: u64) -> bool {
        let place = (self.weight * (round % FULL) + self.offset % FULL) % FULL;
        place >= FULL - self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_cannot_be_picked_from() {
        assert!(Weighted::<u8>::new([], 3).is_none());
    }

    #[test]
    fn a_weight_of_three_gets_three_times_the_calls_of_one() {
        let picker = Weighted::new([('a', 1), ('b', 3)], 0).unwrap();
        let calls: String = (0..400).map(|_| *picker.pick()).collect();
        let rare = calls.matches('a').count();
        assert!((99..=101).contains(&rare), "{rare}");
        assert!(
            !calls.contains("bbbbb"),
            "the calls of one are spread: {calls}"
        );
    }

    proptest! {
        #[test]
        fn equal_weights_are_round_robin(
            n in 1usize..50, weight: u32, start: u32, picks in 0usize..1_000,
        ) {
            let picker = Weighted::new((0..n).map(|item| (item, weight)), start).unwrap();
            let mut counts = vec![0usize; n];
            for _ in 0..picks {
                counts[*picker.pick()] += 1;
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{counts:?}");
        }

        #[test]
        fn calls_are_in_proportion_to_the_weights(
            weights in prop::collection::vec(1u32..1_000, 1..20), start in 0u32..1_000_000,
        ) {
            let picker = Weighted::new(weights.iter().copied().enumerate(), start).unwrap();
            let mut counts = vec![0u64; weights.len()];
            for _ in 0..5_000 {
                counts[*picker.pick()] += 1;
            }
            let turns = picker.next.load(Ordering::Relaxed) - u64::from(start);
            let rounds = turns / weights.len() as u64;
            for (item, count) in picker.items.iter().zip(counts) {
                let exact = item.weight * rounds / FULL;
                prop_assert!(count.abs_diff(exact) <= 2, "{count} is not {exact}");
            }
        }
    }
}
