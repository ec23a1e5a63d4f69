//! The header `traceparent` as nearly every caller writes it, read without an allocation.
//!
//! The SDK's propagator reads everything that W3C Trace Context allows, and takes longer for it than all
//! the rest of a call that is not sampled. What is not of this one form is left to it.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Version 00: `00-{trace}-{span}-{flags}`, in lower case.
const LENGTH: usize = 55;

/// The span that the header names, if it has this form and is valid.
pub(super) fn read(header: &str) -> Option<SpanContext> {
    let header: &[u8; LENGTH] = header.as_bytes().try_into().ok()?;
    let dashes = [header[2], header[35], header[52]];
    if header[..2] != *b"00" || dashes != [b'-'; 3] {
        return None;
    }
    let trace: [u8; 16] = hex(&header[3..35])?;
    let span: [u8; 8] = hex(&header[36..52])?;
    let [flags] = hex(&header[53..])?;
    let context = SpanContext::new(
        TraceId::from_bytes(trace),
        SpanId::from_bytes(span),
        // No other flag is to be handed on.
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

/// Twice as many digits as bytes.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::Context;
    use opentelemetry::propagation::TextMapPropagator as _;
    use opentelemetry::trace::TraceContextExt as _;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use proptest::prelude::*;

    use super::*;

    fn of_the_sdk(header: &str) -> Option<SpanContext> {
        let headers = HashMap::from([("traceparent".to_owned(), header.to_owned())]);
        let cx = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let span = cx.span().span_context().clone();
        span.is_valid().then_some(span)
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_sdk_reads(trace: u128, span: u64, flags: u8) {
            let header = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            prop_assert_eq!(read(&header), of_the_sdk(&header));
        }

        #[test]
        fn nothing_is_read_that_the_sdk_refuses(header in "00-[0-9a-fA-F+ -]{32}-[0-9a-f-]{16}-[0-9a-fg]{2}") {
            if let Some(span) = read(&header) {
                prop_assert_eq!(Some(span), of_the_sdk(&header));
            }
        }
    }

    #[test]
    fn zeros_and_other_forms_are_not_read() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for header in [
            String::new(),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("01-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-x"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
        ] {
            assert_eq!(read(&header), None, "{header:?}");
        }
    }
}
