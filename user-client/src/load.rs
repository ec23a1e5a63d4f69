//! The load engine: many workers make the same call, and a report says who answered and how fast.
//!
//! It exists to make balancing visible (how many calls did each replica answer?) and to show that a
//! rollout or a crash fails no call. It is a library, so that the demo and tests drive the engine
//! that the command line drives:
//!
//! - [`Plan`]: how many calls, by how many workers, at what rate;
//! - [`prepare`]: one call first, and an id to ask for;
//! - [`Schedule`] (pure): when the n-th call is due, and from when its latency counts;
//! - [`Call`]: what one call is, and who answered it;
//! - [`Report`] (pure): tallies per replica, merged; [`table`] and [`json`] render it;
//! - [`Progress`]: who is told while it runs.
//!
//! Every worker counts for itself, and a sampler collects the counts a few times a second: no two
//! workers share a lock.

mod call;
pub mod json;
mod plan;
pub mod prepare;
mod progress;
mod report;
mod schedule;
pub mod table;
mod tally;
mod worker;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use self::call::{Answer, Call, GetCall, ListCall};
pub use self::plan::{Limit, ParseLimitError, ParseRateError, Plan, Rate};
pub use self::progress::{Bar, Lines, Progress, Silent};
pub use self::report::{Failure, Report};
pub use self::schedule::{Schedule, Slot};
pub use self::tally::Tally;
use self::worker::{Ledger, Tickets, Worker};

/// Runs `plan` and returns what happened.
///
/// It ends when the plan's limit is reached, or when `cancel` is: then no further call is made, the
/// calls in flight get [`Plan::grace`] to finish, and those that do not are dropped and counted as
/// [`Report::abandoned`], not as failed. `progress` is told every [`Progress::interval`].
///
/// # Cancel safety
///
/// Dropping the future drops every call in flight; nothing keeps running.
///
/// # Panics
///
/// When `call` panics, with its payload.
pub async fn run<C: Call>(
    plan: &Plan,
    call: C,
    progress: &mut dyn Progress,
    cancel: &CancellationToken,
) -> Report {
    let started = Instant::now();
    let tickets = Arc::new(Tickets::new(Schedule::new(plan.limit, plan.rate)));
    let ledgers: Vec<Arc<Ledger>> = (0..plan.workers.get()).map(|_| Arc::default()).collect();
    let mut workers = JoinSet::new();
    for ledger in &ledgers {
        let worker = Worker {
            tickets: tickets.clone(),
            ledger: ledger.clone(),
            started,
            cancel: cancel.clone(),
        };
        workers.spawn(worker.run(call.clone()));
    }

    let mut total = Report::default();
    let mut ticks = tokio::time::interval_at(started + progress.interval(), progress.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let grace_is_over = async {
        cancel.cancelled().await;
        tokio::time::sleep(plan.grace).await;
    };
    tokio::pin!(grace_is_over);
    let mut gave_up = false;
    loop {
        tokio::select! {
            joined = workers.join_next() => match joined {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_aborted_in_a_call)) => total.abandoned += 1,
            },
            _ = ticks.tick() => {
                let recent = collect(&ledgers);
                total.absorb(&recent);
                total.elapsed = started.elapsed();
                progress.update(&total, &recent);
            }
            () = &mut grace_is_over, if !gave_up => {
                gave_up = true;
                workers.abort_all();
            }
        }
    }
    total.absorb(&collect(&ledgers));
    total.elapsed = started.elapsed();
    total.interrupted = cancel.is_cancelled() && plan.limit != Limit::Never;
    progress.finish(&total);
    total
}

/// Takes what every worker has counted since the last time.
fn collect(ledgers: &[Arc<Ledger>]) -> Report {
    let mut recent = Report::default();
    for ledger in ledgers {
        recent.merge(&ledger.take());
    }
    recent
}
