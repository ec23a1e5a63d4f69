//! What a caller asks of one call.

use std::time::Duration;

use http::HeaderMap;

/// The header that carries a call's deadline, as [gRPC over HTTP/2] defines it.
///
/// [gRPC over HTTP/2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The most digits that the value of `grpc-timeout` may have.
const MAX_DIGITS: usize = 8;

/// Whether a call waits while no replica can be reached, instead of failing with UNAVAILABLE
/// ([wait for ready]).
///
/// Put it into the extensions of a request; without it the channel's own setting holds.
///
/// ```
/// # use grpc_channel::WaitForReady;
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(WaitForReady(true));
/// ```
///
/// [wait for ready]: https://github.com/grpc/grpc/blob/master/doc/wait-for-ready.md
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitForReady(pub bool);

/// The time that a call's header gives it, `None` when it has none or one that is malformed.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get(GRPC_TIMEOUT)?.to_str().ok()?)
}

/// Tells the server how much of the time is left.
pub(super) fn set_timeout(headers: &mut HeaderMap, left: Duration) {
    if let Ok(value) = format(left).parse() {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=MAX_DIGITS).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3_600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// The finest unit that the value fits into.
fn format(timeout: Duration) -> String {
    const LIMIT: u128 = 10u128.pow(8);
    let units = [
        (timeout.as_nanos(), 'n'),
        (timeout.as_micros(), 'u'),
        (timeout.as_millis(), 'm'),
        (u128::from(timeout.as_secs()), 'S'),
        (u128::from(timeout.as_secs() / 60), 'M'),
    ];
    let hours = u128::from(timeout.as_secs() / 3_600).min(LIMIT - 1);
    let (value, unit) = units
        .into_iter()
        .find(|(value, _)| *value < LIMIT)
        .unwrap_or((hours, 'H'));
    format!("{value}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_of_the_specification_is_read() {
        for (text, expected) in [
            ("2H", Duration::from_hours(2)),
            ("2M", Duration::from_mins(2)),
            ("2S", Duration::from_secs(2)),
            ("2m", Duration::from_millis(2)),
            ("2u", Duration::from_micros(2)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_malformed_value_is_no_deadline() {
        for text in ["", "S", "1", "1x", "-1S", "+1S", "123456789n", "1.5S", "1é"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_never_later(nanos in 0u64..u64::MAX) {
            let timeout = Duration::from_nanos(nanos);
            let read = parse(&format(timeout)).unwrap();
            prop_assert!(read <= timeout);
            prop_assert!(timeout.as_secs_f64() - read.as_secs_f64() <= timeout.as_secs_f64() / 1e6 + 1e-9);
        }
    }
}
