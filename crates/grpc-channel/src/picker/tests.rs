//! How evenly the round robin picks. They stand apart from it because tests/loom.rs takes its file in
//! under other atomics.

use proptest::prelude::*;

use super::atomic::{AtomicUsize, Ordering};
use super::round_robin::RoundRobin;

#[test]
fn nothing_cannot_be_picked_from() {
    assert!(RoundRobin::<u8>::new([], 3).is_none());
}

#[test]
fn threads_share_the_turns_evenly() {
    let picker = RoundRobin::new([0, 1, 2], 1).unwrap();
    let counts: [AtomicUsize; 3] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25_000 {
                    counts[*picker.pick()].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let mut counts = counts.map(AtomicUsize::into_inner);
    counts.sort_unstable();
    assert_eq!(counts, [33_333, 33_333, 33_334]);
}

proptest! {
    #[test]
    fn counts_differ_by_one_at_most(n in 1usize..50, start: usize, picks in 0usize..1_000) {
        let picker = RoundRobin::new((0..n).collect::<Vec<_>>(), start).unwrap();
        let mut counts = vec![0usize; n];
        for _ in 0..picks {
            counts[*picker.pick()] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{counts:?}");
    }
}
