//! The round robin under loom: every order in which threads can meet at its counter, and at the
//! picker that is put in its place.
//!
//! `cargo test -p grpc-channel --test loom` runs it; no `--cfg loom` is needed, and with it tokio
//! would not build. The file of the round robin is taken in as it is, with loom's atomics for std's.
//! The slot that holds the picker is arc-swap's in the crate and a locked `Arc` here: what is checked
//! is not arc-swap but that a picker and its successor give every turn once.

#![allow(
    clippy::expect_used,
    reason = "a test that unwraps says what it requires"
)]

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
}

#[path = "../src/picker/round_robin.rs"]
mod round_robin;

use loom::sync::{Arc, Mutex};
use loom::thread;

use self::round_robin::RoundRobin;

fn picker(start: usize) -> RoundRobin<usize> {
    RoundRobin::new([0, 1, 2], start).expect("there are items")
}

#[test]
fn threads_that_pick_at_the_same_time_never_share_a_turn() {
    loom::model(|| {
        let picker = Arc::new(picker(2));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let picker = picker.clone();
                thread::spawn(move || [*picker.pick(), *picker.pick()])
            })
            .collect();
        let mut counts = [0; 3];
        for _ in 0..2 {
            counts[*picker.pick()] += 1;
        }
        for other in others {
            for item in other.join().expect("it does not panic") {
                counts[item] += 1;
            }
        }
        assert_eq!(counts, [2, 2, 2], "six picks are two rounds");
    });
}

#[test]
fn a_picker_that_is_replaced_meanwhile_and_the_new_one_give_every_turn_once() {
    loom::model(|| {
        let slot = Arc::new(Mutex::new((0, Arc::new(picker(0)))));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || {
                    let (generation, picker) = slot.lock().expect("nobody panics").clone();
                    (generation, *picker.pick())
                })
            })
            .collect();
        *slot.lock().expect("nobody panics") = (1, Arc::new(picker(0)));
        let (generation, new) = slot.lock().expect("nobody panics").clone();
        let mut picks = vec![(generation, *new.pick())];
        picks.extend(
            others
                .into_iter()
                .map(|other| other.join().expect("it does not panic")),
        );
        for generation in 0..2 {
            let mut items: Vec<usize> = picks
                .iter()
                .filter(|pick| pick.0 == generation)
                .map(|pick| pick.1)
                .collect();
            items.sort_unstable();
            let turns: Vec<usize> = (0..items.len()).collect();
            assert_eq!(items, turns, "turns are given in order, each once");
        }
    });
}
