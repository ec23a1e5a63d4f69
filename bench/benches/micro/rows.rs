//! The rows, as gungraun wants them.

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group};
use service_runtime::layers::Layered;

use crate::handler::Answers;
use crate::issuer::Algorithm;
use crate::lookups::{Picks, Policies};
use crate::parts::{ALL, Part};
use crate::served::{self, Served};
use crate::subject::{self, Subject};

#[library_benchmark]
#[bench::bare(setup = subject::bare)]
fn handler(mut subject: Subject<Answers>) -> Subject<Answers> {
    subject.call_all();
    subject
}

#[library_benchmark]
#[bench::none(args = (&[]), setup = subject::with)]
#[bench::guard(args = (&[Part::Guard]), setup = subject::with)]
#[bench::limits(args = (&[Part::Limits]), setup = subject::with)]
#[bench::metrics(args = (&[Part::Metrics]), setup = subject::with)]
#[bench::spans(args = (&[Part::Spans]), setup = subject::with)]
#[bench::access_log(args = (&[Part::AccessLog]), setup = subject::with)]
#[bench::faults(args = (&[Part::Faults]), setup = subject::with)]
#[bench::all(args = (&ALL), setup = subject::with)]
#[bench::no_guard(args = (Part::Guard), setup = subject::without)]
#[bench::no_limits(args = (Part::Limits), setup = subject::without)]
#[bench::no_metrics(args = (Part::Metrics), setup = subject::without)]
#[bench::no_spans(args = (Part::Spans), setup = subject::without)]
#[bench::no_access_log(args = (Part::AccessLog), setup = subject::without)]
#[bench::no_faults(args = (Part::Faults), setup = subject::without)]
#[bench::in_a_trace(setup = subject::in_a_trace)]
#[bench::elsewhere(setup = subject::elsewhere)]
#[bench::unknown_hs256(args = (Algorithm::Hs256), setup = subject::unknown)]
#[bench::unknown_eddsa(args = (Algorithm::EdDsa), setup = subject::unknown)]
fn layers(mut subject: Subject<Layered<Answers>>) -> Subject<Layered<Answers>> {
    subject.call_all();
    subject
}

#[library_benchmark]
#[bench::bare(setup = served::bare)]
#[bench::all(setup = served::layered)]
fn server(served: Served) -> Served {
    served.serve_all()
}

#[library_benchmark]
#[bench::decide(setup = Policies::new)]
fn policy(policies: Policies) -> Policies {
    policies.decide_all();
    policies
}

#[library_benchmark]
#[bench::round_robin(setup = Picks::new)]
fn pick(picks: Picks) -> Picks {
    picks.pick_all();
    picks
}

library_benchmark_group!(
    name = calls,
    benchmarks = [handler, layers, server, policy, pick]
);

gungraun::main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = calls
);

/// Measures all rows; or the one that the runner asks for.
pub fn run() {
    main();
}
