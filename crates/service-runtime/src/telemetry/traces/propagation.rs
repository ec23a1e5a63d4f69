//! How a trace goes on from process to process: which headers are believed, and which are sent.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use super::config::Format;
use super::{b3, traceparent};

/// Reads and writes the headers that the settings name. Clones share everything.
#[derive(Clone, Debug)]
pub struct Propagation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    extract: Vec<Format>,
    inject: Vec<Format>,
    trace_context: TraceContextPropagator,
    baggage: BaggagePropagator,
    /// The headers without one of which there is nothing to extract.
    telling: Vec<HeaderName>,
    fields: Vec<String>,
}

/// Finds headers by looking at all names. A request has few, and [`HeaderMap::get`] by a text checks and
/// hashes the name for each look.
pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

/// Does not send what has no value, such as an empty `tracestate`.
struct NotEmpty<'a>(&'a mut dyn Injector);

/// A trace that goes on with no more than its `traceparent`.
fn simple_trace_context(headers: &dyn Extractor) -> Option<SpanContext> {
    let span = traceparent::read(headers.get("traceparent")?)?;
    headers.get("tracestate").is_none().then_some(span)
}

fn telling(formats: &[Format]) -> Vec<HeaderName> {
    let names = formats.iter().flat_map(|format| match format {
        Format::TraceContext => &["traceparent"][..],
        Format::Baggage => &["baggage"],
        Format::B3 | Format::B3Multi => &["b3", "x-b3-traceid", "x-b3-sampled"],
    });
    names.map(|name| HeaderName::from_static(name)).collect()
}

fn fields(formats: &[Format]) -> Vec<String> {
    let names = formats.iter().flat_map(|format| match format {
        Format::TraceContext => &["traceparent", "tracestate"][..],
        Format::Baggage => &["baggage"],
        Format::B3 => &["b3"],
        Format::B3Multi => &["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"],
    });
    names.map(|name| (*name).to_owned()).collect()
}

// === impl Propagation ===

impl Propagation {
    pub(super) fn new(extract: &[Format], inject: &[Format]) -> Self {
        Self(Arc::new(Inner {
            extract: extract.to_vec(),
            inject: inject.to_vec(),
            trace_context: TraceContextPropagator::new(),
            baggage: BaggagePropagator::new(),
            telling: telling(extract),
            fields: fields(inject),
        }))
    }

    /// Whether a request has headers that could be extracted. Most have none where no trace is made,
    /// and extracting nothing takes much longer than this.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        // A request has few headers, and comparing names is cheaper than hashing each of these.
        headers.keys().any(|name| self.0.telling.contains(name))
    }

    fn reads(&self, format: Format) -> bool {
        self.0.extract.contains(&format)
    }
}

impl TextMapPropagator for Propagation {
    fn inject_context(&self, cx: &Context, headers: &mut dyn Injector) {
        let (span, headers) = (cx.span(), &mut NotEmpty(headers));
        let span = span.span_context();
        for format in &self.0.inject {
            match format {
                Format::TraceContext => self.0.trace_context.inject_context(cx, headers),
                Format::Baggage => self.0.baggage.inject_context(cx, headers),
                Format::B3 if span.is_valid() => b3::inject_single(span, headers),
                Format::B3Multi if span.is_valid() => b3::inject_several(span, headers),
                Format::B3 | Format::B3Multi => {}
            }
        }
    }

    fn extract_with_context(&self, cx: &Context, headers: &dyn Extractor) -> Context {
        let mut cx = cx.clone();
        if self.reads(Format::TraceContext) {
            cx = match simple_trace_context(headers) {
                Some(span) => cx.with_remote_span_context(span),
                None => self.0.trace_context.extract_with_context(&cx, headers),
            };
        }
        // A mesh may add its own headers to those of a caller, who knows more of the trace.
        let b3 = self.reads(Format::B3) || self.reads(Format::B3Multi);
        if b3 && !cx.has_active_span() {
            cx = b3::extract(&cx, headers);
        }
        if self.reads(Format::Baggage) {
            cx = self.0.baggage.extract_with_context(&cx, headers);
        }
        cx
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.0.fields)
    }
}

// === impl Headers ===

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name.as_str() == key)?;
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.get_all(key).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then_some(values)
    }
}

// === impl NotEmpty ===

impl Injector for NotEmpty<'_> {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.set(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const ONE: &str = "0af7651916cd43dd8448eb211c80319c";
    const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "b7ad6b7169203331";
    const ALL: [Format; 4] = [
        Format::TraceContext,
        Format::Baggage,
        Format::B3,
        Format::B3Multi,
    ];

    fn both() -> HashMap<String, String> {
        HashMap::from([
            ("traceparent".to_owned(), format!("00-{ONE}-{SPAN}-01")),
            ("b3".to_owned(), format!("{OTHER}-{SPAN}-1")),
        ])
    }

    fn trace_of(extract: &[Format], headers: &HashMap<String, String>) -> String {
        let cx = Propagation::new(extract, &[]).extract_with_context(&Context::new(), headers);
        cx.span().span_context().trace_id().to_string()
    }

    #[test]
    fn w3cs_header_comes_before_b3_and_only_what_is_wanted_is_read() {
        assert_eq!(trace_of(&ALL, &both()), ONE);
        assert_eq!(trace_of(&[Format::B3], &both()), OTHER);
        assert_eq!(trace_of(&[], &both()), "0".repeat(32));
        let mut broken = both();
        broken.insert("traceparent".to_owned(), "00-zz-01".to_owned());
        assert_eq!(
            trace_of(&ALL, &broken),
            OTHER,
            "what is broken says nothing"
        );
    }

    #[test]
    fn what_is_wanted_is_written_and_nothing_empty() {
        let propagation = Propagation::new(&ALL, &ALL);
        let cx = propagation.extract_with_context(&Context::new(), &both());
        let mut headers = HashMap::new();
        propagation.inject_context(&cx, &mut headers);
        let mut names: Vec<_> = headers.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "b3",
                "traceparent",
                "x-b3-sampled",
                "x-b3-spanid",
                "x-b3-traceid"
            ]
        );
        headers.clear();
        propagation.inject_context(&Context::new(), &mut headers);
        assert!(
            headers.is_empty(),
            "without a trace there is nothing to hand on"
        );
    }
}
