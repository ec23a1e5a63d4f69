//! B3, the headers by which Zipkin and many meshes hand a trace on, in one header (`b3`) or in several
//! (`x-b3-…`), as <https://github.com/openzipkin/b3-propagation> defines them. `OpenTelemetry`'s own
//! propagator of them is in `opentelemetry-zipkin`, which is deprecated as a whole and will be removed.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};

const SINGLE: &str = "b3";
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// In a context: its caller leaves it to this process whether the trace is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deferred;

/// What a caller says about sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sampling {
    Accept,
    Deny,
    Defer,
}

/// The context with what the headers say; the same one when they say nothing, or nothing that is valid.
pub(super) fn extract(cx: &Context, headers: &dyn Extractor) -> Context {
    let found = match headers.get(SINGLE) {
        Some(value) => single(value),
        None => several(headers),
    };
    match found {
        Some((span, Sampling::Defer)) => cx.with_value(Deferred).with_remote_span_context(span),
        Some((span, _)) => cx.with_remote_span_context(span),
        None => cx.clone(),
    }
}

/// Writes the one header.
pub(super) fn inject_single(span: &SpanContext, headers: &mut dyn Injector) {
    let sampled = u8::from(span.is_sampled());
    let value = format!("{}-{}-{sampled}", span.trace_id(), span.span_id());
    headers.set(SINGLE, value);
}

/// Writes the several headers.
pub(super) fn inject_several(span: &SpanContext, headers: &mut dyn Injector) {
    headers.set(TRACE_ID, span.trace_id().to_string());
    headers.set(SPAN_ID, span.span_id().to_string());
    headers.set(SAMPLED, u8::from(span.is_sampled()).to_string());
}

/// `{trace}-{span}`, `{trace}-{span}-{sampling}`, `{trace}-{span}-{sampling}-{parent}` or `0`.
fn single(value: &str) -> Option<(SpanContext, Sampling)> {
    let mut parts = value.split('-');
    let (first, span) = (parts.next()?, parts.next());
    let Some(span) = span else {
        return denied(first);
    };
    let sampling = match parts.next() {
        None => Sampling::Defer,
        Some("1" | "d") => Sampling::Accept,
        Some("0") => Sampling::Deny,
        Some(_) => return None,
    };
    Some((context(first, span, sampling)?, sampling))
}

fn several(headers: &dyn Extractor) -> Option<(SpanContext, Sampling)> {
    let sampled = headers.get(SAMPLED);
    let (Some(trace), Some(span)) = (headers.get(TRACE_ID), headers.get(SPAN_ID)) else {
        return denied(sampled?);
    };
    let sampling = match (headers.get(FLAGS), sampled) {
        (Some("1"), _) | (_, Some("1" | "true")) => Sampling::Accept,
        (_, Some("0" | "false")) => Sampling::Deny,
        (_, None) => Sampling::Defer,
        (_, Some(_)) => return None,
    };
    Some((context(trace, span, sampling)?, sampling))
}

/// A caller that samples nothing need not name the trace. A parent that is not valid makes the trace
/// begin here, and is not sampled all the same.
fn denied(sampling: &str) -> Option<(SpanContext, Sampling)> {
    matches!(sampling, "0" | "false").then(|| (SpanContext::empty_context(), Sampling::Deny))
}

fn context(trace: &str, span: &str, sampling: Sampling) -> Option<SpanContext> {
    let is_hex = |text: &str| text.bytes().all(|it| it.is_ascii_hexdigit());
    // Older systems have ids of 64 bits, which are the lower half.
    let fits = matches!(trace.len(), 16 | 32) && span.len() == 16;
    if !(fits && is_hex(trace) && is_hex(span)) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::default().with_sampled(sampling == Sampling::Accept),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn read(headers: &[(&str, &str)]) -> Context {
        let headers: HashMap<String, String> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        extract(&Context::new(), &headers)
    }

    #[test]
    fn both_forms_are_read() {
        let all = format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90");
        for (headers, sampled, deferred) in [
            (vec![("b3", all.as_str())], true, false),
            (vec![("b3", &all[..51])], true, false),
            (vec![("b3", &all[..49])], false, true),
            (
                vec![(TRACE_ID, TRACE), (SPAN_ID, SPAN), (SAMPLED, "1")],
                true,
                false,
            ),
            (
                vec![(TRACE_ID, TRACE), (SPAN_ID, SPAN), (SAMPLED, "0")],
                false,
                false,
            ),
            (
                vec![(TRACE_ID, TRACE), (SPAN_ID, SPAN), (FLAGS, "1")],
                true,
                false,
            ),
            (vec![(TRACE_ID, TRACE), (SPAN_ID, SPAN)], false, true),
        ] {
            let cx = read(&headers);
            let span = cx.span().span_context().clone();
            assert_eq!(span.trace_id().to_string(), TRACE, "{headers:?}");
            assert_eq!(span.span_id().to_string(), SPAN, "{headers:?}");
            assert!(span.is_remote(), "{headers:?}");
            assert_eq!(span.is_sampled(), sampled, "{headers:?}");
            assert_eq!(cx.get::<Deferred>().is_some(), deferred, "{headers:?}");
        }
    }

    #[test]
    fn an_id_of_64_bits_is_the_lower_half() {
        let cx = read(&[("b3", &format!("{}-{SPAN}-1", &TRACE[16..]))]);
        let id = cx.span().span_context().trace_id().to_string();
        assert_eq!(id, format!("{}{}", "0".repeat(16), &TRACE[16..]));
    }

    #[test]
    fn a_caller_that_samples_nothing_need_not_name_the_trace() {
        for header in [("b3", "0"), (SAMPLED, "0")] {
            let cx = read(&[header]);
            assert!(cx.has_active_span(), "{header:?} must decide");
            assert!(!cx.span().span_context().is_valid(), "{header:?}");
        }
    }

    #[test]
    fn what_is_not_valid_says_nothing() {
        let zero = format!("{}-{SPAN}-1", "0".repeat(32));
        let signed = format!("+{}-{SPAN}-1", &TRACE[1..]);
        for value in [
            "",
            "1",
            "-",
            "x-y-1",
            zero.as_str(),
            signed.as_str(),
            "a-b-c-d-e",
        ] {
            assert!(!read(&[("b3", value)]).has_active_span(), "{value:?}");
        }
        assert!(!read(&[(TRACE_ID, TRACE)]).has_active_span());
        assert!(!read(&[]).has_active_span());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let cx = read(&[("b3", &format!("{TRACE}-{SPAN}-1"))]);
        for inject in [inject_single, inject_several] {
            let mut headers = HashMap::new();
            inject(cx.span().span_context(), &mut headers);
            let again = extract(&Context::new(), &headers);
            assert_eq!(again.span().span_context(), cx.span().span_context());
        }
    }
}
