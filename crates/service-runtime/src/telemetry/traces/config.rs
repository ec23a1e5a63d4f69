//! The settings of traces.

use serde::{Deserialize, Serialize};

use crate::settings::Violations;
use crate::telemetry::otlp::{Exporter, Otlp};
use crate::telemetry::queue::Batch;

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

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect((0.0..=1.0).contains(&self.ratio), "ratio", "0 to 1");
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
        }
    }
}
