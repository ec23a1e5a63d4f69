//! Which traces are sampled.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as Sdk, SamplingResult, ShouldSample};

use super::b3::Deferred;
use super::config::Config;

/// By ratio where a trace begins, and as its caller does where it goes on, unless that is not wanted or
/// the caller left it open (B3 allows that).
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    root: Sdk,
    /// `None` asks nobody.
    parent_based: Option<Sdk>,
    /// What goes on in this process was decided in it.
    local: Sdk,
}

// === impl Sampler ===

impl Sampler {
    pub(super) fn of(config: &Config) -> Self {
        let root = Sdk::TraceIdRatioBased(config.ratio);
        let parent_based = Sdk::ParentBased(Box::new(root.clone()));
        Self {
            root,
            local: parent_based.clone(),
            parent_based: config.parent_based.then_some(parent_based),
        }
    }
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match (&self.parent_based, parent) {
            (_, Some(cx)) if is_local(cx) => &self.local,
            (Some(parent_based), Some(cx)) if cx.get::<Deferred>().is_none() => parent_based,
            _ => &self.root,
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

fn is_local(cx: &Context) -> bool {
    let span = cx.span();
    let span = span.span_context();
    span.is_valid() && !span.is_remote()
}
