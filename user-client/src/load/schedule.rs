//! When each call is due: pure, so that the arithmetic of a load test can be tested without a clock.
//!
//! With a rate the schedule is *open-loop*: a call is due when the schedule says so, however slow the
//! answers before it were. Counting a late call from when it was due, and not from when it was sent,
//! avoids coordinated omission: a server that stalls for a second then shows a second in the
//! percentiles, not one slow call.

use std::time::Duration;

use super::{Limit, Rate};

/// A call that was waited for may start this late and still counts from its start: the runtime's
/// timer has a resolution of one millisecond, which is no fault of the server.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// The calls of a run, by their index.
#[derive(Clone, Debug)]
pub struct Schedule {
    limit: Limit,
    rate: Option<Rate>,
}

/// When a call is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// As soon as a worker is free.
    Free,
    /// At this time, counted from the start of the run.
    Due(Duration),
}

// === impl Schedule ===

impl Schedule {
    /// The schedule of a run with this limit and rate.
    #[must_use]
    pub const fn new(limit: Limit, rate: Option<Rate>) -> Self {
        Self { limit, rate }
    }

    /// The slot of the call with this index (from 0), asked for when `elapsed` has passed since the
    /// start; `None` when the run is over.
    #[must_use]
    pub fn slot(&self, index: u64, elapsed: Duration) -> Option<Slot> {
        let slot = self
            .rate
            .map_or(Slot::Free, |rate| Slot::Due(rate.due(index)));
        let is_over = match self.limit {
            Limit::Calls(calls) => index >= calls,
            Limit::Elapsed(limit) => match slot {
                Slot::Free => elapsed >= limit,
                Slot::Due(due) => due >= limit,
            },
            Limit::Never => false,
        };
        (!is_over).then_some(slot)
    }
}

// === impl Slot ===

impl Slot {
    /// From when the latency of the call counts: `sent` is when it was really made, both counted from
    /// the start of the run.
    #[must_use]
    pub fn counts_from(self, sent: Duration) -> Duration {
        match self {
            Self::Due(due) if sent > due + TIMER_SLACK => due,
            Self::Due(_) | Self::Free => sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn per_second(calls: u32) -> Rate {
        Rate::per_second(NonZeroU32::new(calls).unwrap())
    }

    #[test]
    fn a_number_of_calls_is_met_exactly() {
        let schedule = Schedule::new(Limit::Calls(3), None);
        let slots: Vec<_> = (0..5).map(|index| schedule.slot(index, SECOND)).collect();
        assert_eq!(
            slots,
            [
                Some(Slot::Free),
                Some(Slot::Free),
                Some(Slot::Free),
                None,
                None
            ],
            "three calls and no more"
        );
    }

    #[test]
    fn a_duration_at_a_rate_plans_rate_times_duration_calls() {
        let schedule = Schedule::new(Limit::Elapsed(SECOND * 10), Some(per_second(50)));
        assert_eq!(
            schedule.slot(499, Duration::ZERO),
            Some(Slot::Due(Duration::from_millis(9980)))
        );
        assert_eq!(
            schedule.slot(500, Duration::ZERO),
            None,
            "50/s for 10 s are 500 calls"
        );
    }

    #[test]
    fn a_duration_without_a_rate_ends_by_the_clock() {
        let schedule = Schedule::new(Limit::Elapsed(SECOND), None);
        assert_eq!(schedule.slot(u64::MAX, SECOND / 2), Some(Slot::Free));
        assert_eq!(schedule.slot(0, SECOND), None);
    }

    #[test]
    fn a_late_call_counts_from_when_it_was_due() {
        let slot = Slot::Due(SECOND);
        assert_eq!(
            slot.counts_from(SECOND * 3),
            SECOND,
            "the two seconds of delay must show in the latency"
        );
        let punctual = SECOND + Duration::from_millis(1);
        assert_eq!(
            slot.counts_from(punctual),
            punctual,
            "the timer's resolution must not show in the latency"
        );
        assert_eq!(Slot::Free.counts_from(SECOND * 3), SECOND * 3);
    }

    proptest! {
        #[test]
        fn calls_are_due_in_order_and_at_the_rate(rate in 1_u32..1_000_000, index in 0_u64..1 << 40) {
            let schedule = Schedule::new(Limit::Never, Some(per_second(rate)));
            let at = |index| match schedule.slot(index, Duration::ZERO) {
                Some(Slot::Due(due)) => due,
                other => panic!("a rate must give every call its time, not {other:?}"),
            };
            prop_assert!(at(index) <= at(index + 1), "a later call must not be due earlier");
            prop_assert_eq!(
                at(index + u64::from(rate)).checked_sub(at(index)).map(|gap| gap.as_secs_f64().round()),
                Some(1.0),
                "`rate` calls must take one second"
            );
        }
    }
}
