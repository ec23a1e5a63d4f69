//! The priorities of targets: A56's rules as tables, and what holds after any history.

use proptest::prelude::*;

use super::*;
use State::{Connecting, Idle, Ready, Shutdown, TransientFailure};

const CONFIG: Config = Config {
    timeout: Duration::from_secs(10),
    retention: Duration::from_mins(15),
};

/// Three targets of which the first was just started.
fn three(now: Instant) -> Priorities {
    let mut priorities = Priorities::new(CONFIG, 3, now);
    assert_eq!(priorities.choose(now), using(0));
    priorities
}

fn start(target: usize) -> Choice {
    Choice {
        starts: true,
        ..using(target)
    }
}

fn using(target: usize) -> Choice {
    Choice {
        used: Some(target),
        ..Choice::default()
    }
}

#[test]
fn a_lower_target_is_not_started_before_it_is_needed() {
    let now = Instant::now();
    for state in [Connecting, Ready, Idle] {
        let mut priorities = three(now);
        priorities.report(0, state, now);
        assert_eq!(priorities.choose(now), using(0), "{state}");
    }
    for state in [TransientFailure, Shutdown] {
        let mut priorities = three(now);
        priorities.report(0, state, now);
        assert_eq!(priorities.choose(now), start(1), "{state}");
    }
}

#[test]
fn a_target_that_is_not_ready_in_time_is_given_up() {
    let now = Instant::now();
    let mut priorities = three(now);
    let due = now + CONFIG.timeout;
    assert_eq!(priorities.due(), Some(due));
    let early = due.checked_sub(Duration::from_millis(1)).unwrap();
    priorities.report(0, Connecting, early);
    assert_eq!(priorities.choose(early), using(0), "the timer goes on");
    assert_eq!(priorities.choose(due), start(1));
    priorities.report(0, Connecting, due);
    assert_eq!(priorities.choose(due), using(1), "that is nothing new");
}

#[test]
fn a_target_that_loses_its_last_connection_has_as_long_as_at_the_start() {
    let now = Instant::now();
    let mut priorities = three(now);
    priorities.report(0, Ready, now);
    assert_eq!(priorities.choose(now), using(0));
    assert_eq!(priorities.due(), None, "a target may be READY for ever");
    let lost = now + Duration::from_hours(1);
    priorities.report(0, Connecting, lost);
    assert_eq!(priorities.choose(lost), using(0));
    assert_eq!(priorities.choose(lost + CONFIG.timeout), start(1));
}

#[test]
fn a_higher_target_that_is_ready_again_is_used_at_once_and_the_lower_one_kept_for_a_while() {
    let now = Instant::now();
    let mut priorities = three(now);
    priorities.report(0, TransientFailure, now);
    assert_eq!(priorities.choose(now), start(1));
    priorities.report(1, Ready, now);
    priorities.report(0, Connecting, now);
    assert_eq!(priorities.choose(now), using(1), "an attempt is no success");
    priorities.report(0, Ready, now);
    assert_eq!(priorities.choose(now), using(0));
    let over = now + CONFIG.retention;
    assert_eq!(priorities.due(), Some(over));
    let stop = Choice {
        stopped: vec![1],
        ..using(0)
    };
    assert_eq!(priorities.choose(over), stop);
    assert_eq!(priorities.due(), None);
    priorities.report(0, TransientFailure, over);
    assert_eq!(priorities.choose(over), start(1), "it begins anew");
}

#[test]
fn a_lower_target_that_is_needed_again_is_not_shut_down() {
    let now = Instant::now();
    let mut priorities = three(now);
    priorities.report(0, TransientFailure, now);
    priorities.choose(now);
    priorities.report(1, Ready, now);
    priorities.report(0, Ready, now);
    assert_eq!(priorities.choose(now), using(0));
    priorities.report(0, TransientFailure, now);
    assert_eq!(priorities.choose(now), using(1), "it is still READY");
    assert_eq!(priorities.due(), None);
    assert_eq!(priorities.choose(now + CONFIG.retention), using(1));
}

#[test]
fn when_all_have_failed_none_is_used_until_one_is_ready() {
    let now = Instant::now();
    let mut priorities = three(now);
    for target in 0..3 {
        assert_eq!(priorities.choose(now).used, Some(target));
        priorities.report(target, TransientFailure, now);
    }
    assert_eq!(priorities.choose(now), Choice::default());
    priorities.report(1, Connecting, now);
    assert_eq!(priorities.choose(now), Choice::default());
    priorities.report(1, Ready, now);
    assert_eq!(priorities.choose(now), using(1));
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Report(usize, State),
    /// Time passes, in seconds.
    Wait(u64),
    /// Time passes until the next timer.
    Timer,
}

fn event() -> impl Strategy<Value = Event> {
    let state = prop::sample::select(vec![Idle, Connecting, Ready, TransientFailure]);
    prop_oneof![
        4 => (0..4_usize, state).prop_map(|(target, state)| Event::Report(target, state)),
        1 => (0..1_000_u64).prop_map(Event::Wait),
        1 => Just(Event::Timer),
    ]
}

proptest! {
    #[test]
    fn after_any_history_the_best_target_that_has_not_failed_is_used(
        targets in 1..5_usize,
        events in prop::collection::vec(event(), 0..100),
    ) {
        let mut now = Instant::now();
        let mut priorities = Priorities::new(CONFIG, targets, now);
        // What is known of each, told without the state machine: the last state, and since when it
        // has been CONNECTING without a failure.
        let mut states: Vec<Option<State>> = vec![None; targets];
        let mut hoped: Vec<Option<Instant>> = vec![None; targets];
        let mut failed = vec![false; targets];
        (states[0], hoped[0]) = (Some(Connecting), Some(now));
        for event in std::iter::once(Event::Wait(0)).chain(events) {
            match event {
                Event::Report(target, _) if target >= targets || states[target].is_none() => {
                    priorities.report(target, Ready, now);
                }
                Event::Report(target, state) => {
                    priorities.report(target, state, now);
                    states[target] = Some(state);
                    match state {
                        Connecting if !failed[target] => {
                            hoped[target].get_or_insert(now);
                        }
                        Connecting => {}
                        _ => {
                            hoped[target] = None;
                            failed[target] = state == TransientFailure;
                        }
                    }
                }
                Event::Wait(seconds) => now += Duration::from_secs(seconds),
                Event::Timer => now = priorities.due().unwrap_or(now).max(now),
            }
            for target in 0..targets {
                if hoped[target].take_if(|since| *since + CONFIG.timeout <= now).is_some() {
                    failed[target] = true;
                }
            }
            let expected = (0..targets).find(|target| states[*target].is_none() || !failed[*target]);
            let choice = priorities.choose(now);
            prop_assert_eq!(choice.used, expected);
            prop_assert_eq!(
                choice.starts,
                expected.is_some_and(|used| states[used].is_none()),
                "a target is started exactly when it is used and does not run"
            );
            if let Some(used) = expected.filter(|_| choice.starts) {
                states[used] = Some(Connecting);
                hoped[used] = Some(now);
            }
            for stopped in choice.stopped {
                prop_assert!(Some(stopped) > choice.used, "only what is lower is shut down");
                prop_assert!(states[stopped].is_some(), "only what runs is shut down");
                states[stopped] = None;
                hoped[stopped] = None;
                failed[stopped] = false;
            }
            prop_assert!(
                priorities.due().is_none_or(|due| due > now),
                "every timer that is due was heeded"
            );
            let again = priorities.choose(now);
            prop_assert_eq!(again, Choice { used: choice.used, ..Choice::default() });
        }
    }
}
