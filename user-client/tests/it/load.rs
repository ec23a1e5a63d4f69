//! The load engine, and `load` as a process.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;
use user_client::load::{self, Answer, Call, Limit, Plan, Progress, Rate, Report, Silent};

use crate::program::{command, end, run};
use crate::replica::{Fault, Replica};

const SECOND: Duration = Duration::from_secs(1);

/// Answers after `delay`, in turns by the replicas `a`, `b` and `c`.
#[derive(Clone, Debug)]
struct InTurns {
    next: Arc<AtomicU64>,
    delay: Duration,
}

/// Never answers.
#[derive(Clone, Debug)]
struct Never;

/// Stalls once for ten seconds, and else answers at once.
#[derive(Clone, Debug)]
struct StallsOnce(Arc<AtomicU64>);

impl InTurns {
    fn new(delay: Duration) -> Self {
        Self {
            next: Arc::default(),
            delay,
        }
    }
}

impl Call for InTurns {
    async fn call(&mut self) -> Answer {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
        let name = ["a", "b", "c"][usize::try_from(turn % 3).unwrap()];
        Answer::new(Some(name), None)
    }
}

impl Call for Never {
    async fn call(&mut self) -> Answer {
        std::future::pending().await
    }
}

impl Call for StallsOnce {
    async fn call(&mut self) -> Answer {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            tokio::time::sleep(SECOND * 10).await;
        }
        Answer::new(Some("a"), None)
    }
}

fn plan(workers: usize, limit: Limit, rate: Option<u32>) -> Plan {
    Plan {
        workers: NonZeroUsize::new(workers).unwrap(),
        limit,
        rate: rate.map(|calls| Rate::per_second(NonZeroU32::new(calls).unwrap())),
        grace: SECOND,
    }
}

async fn run_plan(plan: &Plan, call: impl Call) -> Report {
    load::run(plan, call, &mut Silent, &CancellationToken::new()).await
}

#[tokio::test(start_paused = true)]
async fn every_planned_call_is_made_once_and_counted_once() {
    let call = InTurns::new(Duration::from_millis(3));
    let report = run_plan(&plan(10, Limit::Calls(3_001), None), call.clone()).await;
    assert_eq!(report.calls(), 3_001);
    assert_eq!(
        call.next.load(Ordering::Relaxed),
        3_001,
        "no call more than planned"
    );
    assert_eq!(
        report.imbalance(),
        1,
        "3,001 calls in turns are 1,001, 1,000 and 1,000"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rate_for_a_time_makes_the_calls_that_it_says() {
    let report = run_plan(
        &plan(10, Limit::Elapsed(SECOND * 10), Some(50)),
        InTurns::new(Duration::ZERO),
    )
    .await;
    assert_eq!(report.calls(), 500, "50/s for 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_stall_shows_in_the_percentiles_of_a_rated_run() {
    let report = run_plan(
        &plan(1, Limit::Calls(2_000), Some(100)),
        StallsOnce(Arc::default()),
    )
    .await;
    let p75 = report.overall().latency(0.75).expect("calls succeeded");
    assert!(
        p75 > SECOND * 4,
        "the half of the calls that was due during the ten seconds must count as late, not {p75:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_finishes_what_is_in_flight() {
    let cancel = CancellationToken::new();
    let plan = plan(4, Limit::Never, None);
    let mut progress = Silent;
    let running = load::run(&plan, InTurns::new(SECOND / 2), &mut progress, &cancel);
    let stop = async {
        tokio::time::sleep(SECOND * 3 + SECOND / 4).await;
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(running, stop);
    assert_eq!(
        report.calls(),
        4 * 7,
        "six rounds were over and one was in flight"
    );
    assert_eq!((report.failed(), report.abandoned), (0, 0));
    assert!(!report.interrupted, "a run for ever ends no other way");
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_end_do_not_hold_a_cancelled_run() {
    let cancel = CancellationToken::new();
    let plan = plan(4, Limit::Never, None);
    let mut progress = Silent;
    let running = load::run(&plan, Never, &mut progress, &cancel);
    let stop = async {
        tokio::time::sleep(SECOND).await;
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(running, stop);
    assert_eq!(
        report.abandoned, 4,
        "each worker had a call that was dropped"
    );
    assert_eq!(
        (report.calls(), report.failed()),
        (0, 0),
        "an abandoned call is no failure"
    );
}

#[tokio::test(start_paused = true)]
async fn progress_hears_every_call_exactly_once() {
    #[derive(Default)]
    struct Sum(u64, u64);
    impl Progress for Sum {
        fn interval(&self) -> Duration {
            Duration::from_millis(100)
        }
        fn update(&mut self, total: &Report, recent: &Report) {
            self.0 += recent.calls();
            assert_eq!(self.0, total.calls(), "the parts must add up to the whole");
        }
        fn finish(&mut self, total: &Report) {
            self.1 = total.calls();
        }
    }
    let mut sum = Sum::default();
    let plan = plan(3, Limit::Calls(999), None);
    let call = InTurns::new(Duration::from_millis(7));
    load::run(&plan, call, &mut sum, &CancellationToken::new()).await;
    assert!(sum.0 > 0, "a long run must be told about");
    assert_eq!(sum.1, 999);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in the call")]
async fn a_panic_in_a_call_is_not_swallowed() {
    #[derive(Clone)]
    struct Bug;
    impl Call for Bug {
        async fn call(&mut self) -> Answer {
            tokio::task::yield_now().await;
            panic!("a bug in the call")
        }
    }
    run_plan(&plan(2, Limit::Calls(2), None), Bug).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_spread_evenly_over_the_replicas_of_a_target() {
    let replicas = [
        Replica::start("a", Fault::None),
        Replica::start("b", Fault::None),
        Replica::start("c", Fault::None),
    ];
    let addresses: Vec<String> = replicas.iter().map(|it| it.address.to_string()).collect();
    let target = format!("ipv4:{}", addresses.join(","));
    let ended = run(&[
        "load",
        "--calls",
        "3000",
        "--workers",
        "10",
        "--target",
        &target,
        "--output",
        "json",
    ])
    .await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let json = ended.json();
    assert_eq!(json["calls"], 3000);
    let names: Vec<_> = json["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["a", "b", "c"], "every replica must take part");
    let served: u64 = replicas
        .iter()
        .map(|it| it.calls.load(Ordering::Relaxed))
        .sum();
    assert_eq!(
        served, 3001,
        "the servers count the same calls, and the one before the run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_shown_by_code_and_fails_the_run() {
    let replica = Replica::start("a", Fault::EveryNth(10));
    let ended = run(&["load", "--calls", "100", "--target", &replica.target()]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("RESOURCE_EXHAUSTED x 10, the first: on purpose"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn get_prepares_the_entry_that_it_asks_for() {
    let replica = Replica::start("a", Fault::None);
    let ended = run(&[
        "load",
        "--method",
        "get",
        "--calls",
        "50",
        "--target",
        &replica.target(),
    ])
    .await;
    assert_eq!(ended.code, 0, "an empty service must do: {ended:?}");
    assert!(ended.stdout.contains("50 calls in"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_begin_says_why_instead_of_failing_every_call() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ended = run(&[
        "load",
        "--calls",
        "1000",
        "--target",
        &format!("ipv4:{address}"),
    ])
    .await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(
        ended.stderr.contains("Is a server running there?"),
        "{ended:?}"
    );
    assert_eq!(ended.stdout, "", "there is no result: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_for_ever_begins_when_its_service_does() {
    let gone = Replica::start("a", Fault::None);
    let (address, target) = (gone.address, gone.target());
    drop(gone);
    let run = ["load", "--duration", "forever", "--rate", "200"];
    let arguments = [&run[..], &["--target", &target]].concat();
    let mut child = command(&arguments, &[]).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    let mut line_with = async |what: &str| {
        let found = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it must run on");
                if line.contains(what) {
                    break line;
                }
            }
        };
        let found = tokio::time::timeout(SECOND * 30, found).await;
        found.unwrap_or_else(|_| panic!("a line must have {what}"))
    };
    line_with("the service does not answer yet").await;
    let _back = Replica::start_at(address, "a", Fault::None, Arc::default());
    let first = line_with(" calls, ").await;
    assert!(
        first.contains(" 0 failed") && first.contains(": a "),
        "calls before there was a service must not be among the results: {first}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_run_for_ever_with_its_result() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    let mut child = command(
        &[
            "load",
            "--duration",
            "forever",
            "--rate",
            "200",
            "--target",
            &target,
        ],
        &[],
    )
    .spawn()
    .unwrap();
    // The first line of the log shows that the run is under way.
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    let line = tokio::time::timeout(SECOND * 30, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(line.contains("0 failed") && line.contains(": a "), "{line}");
    let pid = child.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
    let ended = end(child).await;
    assert_eq!(ended.code, 0, "no call failed: {ended:?}");
    assert!(
        ended.stdout.contains("calls/s, 0 failed"),
        "the result must be shown: {ended:?}"
    );
}
