//! What a server says about when, and whether, to try again (gRFC [A6], "pushback").
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback

use std::time::Duration;

use http::HeaderMap;

/// The trailer that carries it, in milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// A server's own word on retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushback {
    /// After this time, whatever the client's backoff says.
    After(Duration),
    /// Not at all.
    Never,
}

// === impl Pushback ===

impl Pushback {
    /// What the trailers of an answer say, if they say anything. A number below zero and what is no
    /// number mean that the call is not to be sent again, and so does more than one value.
    pub(super) fn of(trailers: &HeaderMap) -> Option<Self> {
        let mut values = trailers.get_all(PUSHBACK).iter();
        let value = values.next()?;
        let millis = value
            .to_str()
            .ok()
            .and_then(|text| text.parse::<i32>().ok())
            .and_then(|millis| u64::try_from(millis).ok())
            .filter(|_| values.next().is_none());
        Some(millis.map_or(Self::Never, |millis| {
            Self::After(Duration::from_millis(millis))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_number_from_zero_on_is_a_time() {
        let read = |values: &[&'static str]| {
            let mut trailers = HeaderMap::new();
            for value in values {
                trailers.append(PUSHBACK, http::HeaderValue::from_static(value));
            }
            Pushback::of(&trailers)
        };
        assert_eq!(read(&[]), None);
        for (value, millis) in [("0", 0), ("250", 250), ("2147483647", 2_147_483_647)] {
            let expected = Some(Pushback::After(Duration::from_millis(millis)));
            assert_eq!(read(&[value]), expected, "{value}");
        }
        for value in ["-1", "soon", "", "1.5", "1s", "2147483648", "0x10"] {
            assert_eq!(read(&[value]), Some(Pushback::Never), "{value}");
        }
        assert_eq!(read(&["1", "2"]), Some(Pushback::Never));
    }
}
