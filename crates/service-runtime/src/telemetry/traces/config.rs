//! The settings of traces.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::otlp;
use crate::settings::{Secret, Violations};

/// Which spans are made, and where they go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"none"` (the default: no spans are made) or `"otlp"`.
    pub exporter: Exporter,
    /// The part of the traces that begin here which is sampled: 0 to 1. By the trace's id, so that all
    /// processes with the same ratio sample the same traces.
    pub ratio: f64,
    /// Whether a trace that was begun elsewhere is sampled when, and only when, it is sampled there.
    /// Otherwise `ratio` decides here again, and callers cannot make this process sample more.
    pub parent_based: bool,
    /// By which headers a caller may hand its trace on: `"tracecontext"` (W3C's `traceparent` and
    /// `tracestate`), `"baggage"` (W3C's), `"b3"` (the header `b3` as well as the headers `x-b3-…`).
    /// With both, W3C's is the one that counts. An edge that trusts no caller takes none: `[]`.
    pub extract: Vec<Format>,
    /// By which headers this process hands a trace on; beside the above, `"b3multi"` (the headers
    /// `x-b3-…`).
    pub inject: Vec<Format>,
    /// Where spans are sent.
    pub otlp: Otlp,
    /// How spans wait to be sent.
    pub batch: Batch,
    /// How long the last spans may take to be sent when the process stops. The orchestrator's own
    /// patience (terminationGracePeriodSeconds) must have room for it.
    #[serde(with = "crate::settings::duration")]
    pub flush_timeout: Duration,
}

/// Who takes the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exporter {
    /// Nobody; they are not even made.
    #[default]
    None,
    /// An OpenTelemetry Collector, or whatever else speaks OTLP.
    Otlp,
}

/// The headers that carry a trace, by OpenTelemetry's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// W3C Trace Context.
    TraceContext,
    /// W3C Baggage.
    Baggage,
    /// B3 in one header; both forms are read.
    B3,
    /// B3 in several headers; both forms are read.
    B3Multi,
}

/// Where spans are sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The collector: `http://HOST:PORT` or `https://HOST:PORT`. The usual ports are 4317 for gRPC and
    /// 4318 for HTTP, where `/v1/traces` is added.
    pub endpoint: String,
    /// `"grpc"` or `"http/protobuf"`.
    pub protocol: Protocol,
    /// What the collector asks for: `name=value`, separated by commas. A secret.
    pub headers: Secret,
    /// The authorities that a collector's certificate is checked by (PEM). Without it they are those of
    /// the machine, which an image without a file system of its own does not have.
    pub ca: PathBuf,
    /// How long one batch may take, sent again where that can help.
    #[serde(with = "crate::settings::duration")]
    pub timeout: Duration,
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Protocol {
    /// As calls of gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// As requests of HTTP with a protobuf body.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// How spans wait to be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// How many spans wait at the most, those that are being sent included; more are lost. One has about
    /// a kilobyte.
    pub queue_size: usize,
    /// How many are sent together at the most.
    pub size: usize,
    /// How long a span waits for others at the most.
    #[serde(with = "crate::settings::duration")]
    pub delay: Duration,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect((0.0..=1.0).contains(&self.ratio), "ratio", "0 to 1");
        violations.expect(
            self.flush_timeout <= Duration::from_mins(1),
            "flush_timeout",
            "at most 1m",
        );
        violations.section("otlp", |it| self.otlp.validate(it));
        violations.section("batch", |it| self.batch.validate(it));
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            exporter: Exporter::None,
            ratio: 1.0,
            parent_based: true,
            extract: vec![Format::TraceContext, Format::Baggage, Format::B3],
            inject: vec![Format::TraceContext, Format::Baggage],
            otlp: Otlp::default(),
            batch: Batch::default(),
            flush_timeout: Duration::from_secs(3),
        }
    }
}

// === impl Otlp ===

impl Otlp {
    fn validate(&self, violations: &mut Violations) {
        let url = Url::parse(&self.endpoint);
        let fits = url.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                // Credentials in it would be shown with it.
                && url.username().is_empty()
                && url.password().is_none()
        });
        violations.expect(
            fits,
            "endpoint",
            "http://HOST:PORT or https://HOST:PORT, without credentials",
        );
        violations.expect(
            otlp::headers(self.headers.expose()).is_some(),
            "headers",
            "NAME=VALUE of a header, or several separated by commas",
        );
        let times = Duration::from_millis(1)..=Duration::from_mins(1);
        violations.expect(times.contains(&self.timeout), "timeout", "1ms to 1m");
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4317".to_owned(),
            protocol: Protocol::Grpc,
            headers: Secret::default(),
            ca: PathBuf::new(),
            timeout: Duration::from_secs(10),
        }
    }
}

// === impl Batch ===

impl Batch {
    fn validate(&self, violations: &mut Violations) {
        violations.expect(
            (1..=1 << 20).contains(&self.queue_size),
            "queue_size",
            "1 to 1048576",
        );
        violations.expect(
            (1..=self.queue_size).contains(&self.size),
            "size",
            "1 to queue_size",
        );
        violations.expect(!self.delay.is_zero(), "delay", "more than zero");
    }
}

impl Default for Batch {
    /// The defaults of OpenTelemetry's batching span processor, but for a delay that shows a trace
    /// sooner.
    fn default() -> Self {
        Self {
            queue_size: 2048,
            size: 512,
            delay: Duration::from_secs(1),
        }
    }
}
