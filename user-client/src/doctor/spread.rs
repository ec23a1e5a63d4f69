//! Do calls spread over all replicas?

use std::num::NonZeroUsize;
use std::time::Duration;

use grpc_channel::State;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::finding::{Finding, Question};
use crate::connect::Channel;
use crate::load::{self, Limit, ListCall, Plan, Report, Silent};
use crate::output::printable;
use crate::status;

const QUESTION: Question = Question::Spread;

/// The fewest calls and the most; in between there are three for each address.
const CALLS: std::ops::RangeInclusive<usize> = 30..=3_000;

/// How many calls are in flight at the most.
const WORKERS: usize = 4;

/// How many replicas are told apart at the most.
const TOLD_APART: usize = 256;

/// How often it is looked whether connections are made.
const LOOK: Duration = Duration::from_millis(10);

/// What became of a few dozen calls.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How many addresses had a connection when the calls began.
    pub ready: usize,
    /// Who answered them.
    pub report: Report,
}

/// Makes the calls, once every connection is made or has failed.
///
/// Ends after twice `connecting` (for the connections) and twice `patience` (for the calls).
pub(super) async fn ask(channel: Channel, connecting: Duration, patience: Duration) -> Facts {
    let ready = connected(&channel, connecting * 2).await;
    let calls = (3 * ready).clamp(*CALLS.start(), *CALLS.end());
    let plan = Plan {
        workers: NonZeroUsize::new(WORKERS).unwrap_or(NonZeroUsize::MIN),
        limit: Limit::Calls(calls as u64),
        rate: None,
        grace: Duration::ZERO,
    };
    let stop = CancellationToken::new();
    let over = stop.clone();
    let call = ListCall::new(channel, patience);
    let mut silent = Silent;
    let running = load::run(&plan, call, &mut silent, &stop);
    let bound = async {
        sleep(patience * 2).await;
        over.cancel();
        std::future::pending::<Report>().await
    };
    let report = tokio::select! {
        report = running => report,
        never = bound => never,
    };
    Facts { ready, report }
}

/// How many addresses are READY when none is CONNECTING any more, or `patience` is over.
async fn connected(channel: &Channel, patience: Duration) -> usize {
    let until = Instant::now() + patience;
    loop {
        let stats = channel.stats();
        let count = |state| {
            stats
                .subchannels
                .iter()
                .filter(|it| it.state == state)
                .count()
        };
        let ready = count(State::Ready);
        let settled = !stats.subchannels.is_empty() && count(State::Connecting) == 0;
        if settled || Instant::now() >= until {
            return ready;
        }
        sleep(LOOK).await;
    }
}

/// What it means who answered; `mesh` is whether somebody else balances.
#[must_use]
pub fn verdict(facts: Option<&Facts>, mesh: bool) -> Finding {
    let Some(Facts { ready, report }) = facts else {
        return Finding::skipped(QUESTION, "no address takes calls");
    };
    let calls = report.calls();
    if let Some(failure) = report.failures.values().max_by_key(|failure| failure.count) {
        let says = format!(
            "{} of {calls} calls failed: {}: {}",
            report.failed(),
            status::name(failure.code),
            printable(&failure.sample)
        );
        return Finding::failed(QUESTION, says, of_code(failure.code));
    }
    if report.interrupted || calls == 0 {
        let says = format!("only {calls} calls were answered in time");
        let next = vec!["are the replicas overloaded? their CPU and their log tell".to_owned()];
        return Finding::failed(QUESTION, says, next);
    }
    let answered = report.replicas.len();
    if answered == 0 {
        let why = "the answers do not say who gave them (no x-served-by)";
        return Finding::skipped(QUESTION, why);
    }
    if answered < (*ready).min(TOLD_APART) && !mesh {
        return Finding::failed(
            QUESTION,
            format!(
                "{calls} calls over {ready} addresses were answered by {answered} {}: {}",
                if answered == 1 { "replica" } else { "replicas" },
                shares(report)
            ),
            vec![
                "something balances in between, or addresses lead to the same pod: name the headless \
                 Service, and look for a proxy"
                    .to_owned(),
            ],
        );
    }
    Finding::passed(QUESTION, format!("{calls} calls: {}", shares(report)))
}

/// Who answered how many, the first few by name.
fn shares(report: &Report) -> String {
    const MOST: usize = 5;
    let named = report.replicas.iter().take(MOST);
    let mut shares: Vec<String> = named
        .map(|(name, tally)| format!("{} by {}", tally.calls(), printable(name)))
        .collect();
    if let Some(more) = report
        .replicas
        .len()
        .checked_sub(MOST)
        .filter(|more| *more > 0)
    {
        shares.push(format!("the others by {more} more"));
    }
    shares.join(", ")
}

fn of_code(code: Code) -> Vec<String> {
    let step = match code {
        Code::Unauthenticated => {
            "who is calling? --basic-name and --basic-password-file, --bearer-token-file, or a client \
             certificate"
        }
        Code::PermissionDenied => "the server's policy must give this caller the permission",
        Code::Unimplemented => "is it the server of another service?",
        Code::DeadlineExceeded => "are the replicas overloaded, or is their database slow?",
        Code::ResourceExhausted => "a limit of the server is reached: its metrics say which",
        _ => "the log of the replica says more",
    };
    vec![step.to_owned()]
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::doctor::Outcome;
    use crate::load::Answer;

    fn verdict_of(ready: usize, answers: &[(Option<&str>, Option<Status>)], mesh: bool) -> Finding {
        let mut report = Report::default();
        for (name, failure) in answers {
            report.record(
                &Answer::new(*name, failure.clone()),
                Duration::from_millis(1),
            );
        }
        verdict(Some(&Facts { ready, report }), mesh)
    }

    #[test]
    fn one_replica_behind_several_addresses_is_no_spread() {
        let answers = [(Some("a"), None), (Some("a"), None)];
        let finding = verdict_of(2, &answers, false);
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(
            finding.says.contains("answered by 1 replica: 2 by a"),
            "{finding:?}"
        );
        assert_eq!(verdict_of(1, &answers, false).outcome, Outcome::Passed);
        assert_eq!(verdict_of(2, &answers, true).outcome, Outcome::Passed);
    }

    #[test]
    fn a_failed_call_says_why_and_what_to_do() {
        let refused = Status::unauthenticated("no credentials");
        let finding = verdict_of(1, &[(Some("a"), Some(refused))], false);
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(
            finding.says.contains("UNAUTHENTICATED: no credentials"),
            "{finding:?}"
        );
        assert!(
            finding.next[0].contains("--bearer-token-file"),
            "{finding:?}"
        );
    }

    #[test]
    fn replicas_without_a_name_cannot_be_told_apart() {
        assert_eq!(
            verdict_of(2, &[(None, None)], false).outcome,
            Outcome::Skipped
        );
    }
}
