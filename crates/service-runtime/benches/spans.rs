//! What the span of a call costs, and what one costs that is not made.
//!
//! ```text
//! cargo bench -p service-runtime --bench spans
//! ```
//!
//! A request goes through all layers to a service that answers at once, on one thread and without a
//! socket. The rows take turns; the figure is the least of several rounds, because whatever else the
//! machine does only adds to it. Differences are what is quoted: of the rows with a trace to the second
//! one, whose request has the same headers.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use service_runtime::auth::Guard;
use service_runtime::faults::Faults;
use service_runtime::layers::spans::Spans;
use service_runtime::layers::{Layered, Layers, identity::Identity};
use service_runtime::limits::Limits;
use service_runtime::methods::Method;
use service_runtime::telemetry::traces::{Exporter, Traces};
use service_runtime::telemetry::{Config, Service};
use tower_service::Service as _;

const PATH: &str = "/bench.v1.Bench/Call";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const ROUNDS: usize = 15;
const CALLS: u32 = 20_000;

/// What is compared: those without a trace with the first one, the others with the second.
const ROWS: [Row; 7] = [
    Row("no layer of spans", None, None),
    Row("no layer of spans, a trace", None, Some(SAMPLED)),
    Row("no exporter, no trace", Some(Exporter::None), None),
    Row("no exporter, a trace", Some(Exporter::None), Some(SAMPLED)),
    Row("not sampled: by ratio", Some(Exporter::Otlp), None),
    Row(
        "not sampled: by the caller",
        Some(Exporter::Otlp),
        Some(NOT_SAMPLED),
    ),
    Row("sampled", Some(Exporter::Otlp), Some(SAMPLED)),
];

/// A name, who takes the spans, and the caller's trace.
struct Row(&'static str, Option<Exporter>, Option<&'static str>);

/// Answers at once.
#[derive(Clone)]
struct Answers;

type Subject = Layered<Answers>;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let mut subjects = Vec::new();
    for Row(_, exporter, _) in &ROWS {
        subjects.push(subject(*exporter)?);
    }
    let mut least = [Duration::MAX; ROWS.len()];
    for _ in 0..ROUNDS {
        for ((row, subject), least) in ROWS.iter().zip(&mut subjects).zip(&mut least) {
            *least = round(row, subject).min(*least);
        }
    }
    println!("{:<28} {:>9} {:>9}", "", "ns/call", "more");
    for (Row(name, _, trace), time) in ROWS.iter().zip(least) {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(CALLS);
        let more = each(time) - each(least[usize::from(trace.is_some())]);
        println!("{name:<28} {:>9.0} {more:>9.0}", each(time));
    }
    Ok(())
}

fn subject(exporter: Option<Exporter>) -> Result<Subject, Box<dyn Error>> {
    let methods = [Method {
        path: PATH.to_owned(),
        is_stream: false,
    }];
    let spans = exporter.map(|exporter| {
        let mut config = Config::default();
        config.traces.exporter = exporter;
        // A port that nobody listens on: what a call pays ends with the queue.
        "http://127.0.0.1:9".clone_into(&mut config.traces.otlp.endpoint);
        config.traces.ratio = 0.0;
        let service = Service {
            name: "bench",
            version: "0",
            instance: "bench".to_owned(),
        };
        Ok::<_, Box<dyn Error>>(Spans::new(
            &Traces::start(&config, &service, None)?,
            &methods,
        ))
    });
    let layers = Layers {
        identity: Identity::new("bench", "0")?,
        guard: Guard::open(),
        limits: Limits::off(),
        faults: Faults::off(),
        calls: None,
        spans: spans.transpose()?,
    };
    Ok(layers.around(Answers))
}

/// How long the calls of one round take.
fn round(Row(_, _, trace): &Row, subject: &mut Subject) -> Duration {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let start = Instant::now();
    for _ in 0..CALLS {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = http::Uri::from_static(PATH);
        if let Some(trace) = trace {
            let headers = request.headers_mut();
            headers.insert("traceparent", HeaderValue::from_static(trace));
        }
        let mut call = std::pin::pin!(subject.call(request));
        let answered = call.as_mut().poll(&mut cx);
        assert!(answered.is_ready(), "the service answers at once");
    }
    start.elapsed()
}

// === impl Answers ===

impl<B> tower_service::Service<Request<B>> for Answers {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Empty::new());
        let headers = response.headers_mut();
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        ready(Ok(response))
    }
}
