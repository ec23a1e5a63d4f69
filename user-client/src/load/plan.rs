//! What a load run shall do: how long, by how many workers, how fast.
//!
//! The types parse what an operator types, so that a bad value is refused before the first call.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

/// A load run, as it is planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many calls are in flight at the most.
    pub workers: NonZeroUsize,
    /// When the run ends by itself.
    pub limit: Limit,
    /// How many calls are due in a period, in all; `None` means that each worker makes its next call
    /// as soon as the last one is answered.
    pub rate: Option<Rate>,
    /// How long calls in flight may take to finish once the run is cancelled.
    pub grace: Duration,
}

/// When a load run ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this many calls.
    Calls(u64),
    /// When this much time has passed since the start; the calls in flight are still finished.
    Elapsed(Duration),
    /// Never: the run ends when it is cancelled.
    Never,
}

/// So many calls in a period: `50`, `50/s`, `30/m` or `10/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: NonZeroU32,
    period: Duration,
}

/// The text is no [`Rate`].
#[derive(Debug, thiserror::Error)]
#[error("expected calls per second as 50 or 50/s, per minute as 30/m, or per hour as 10/h")]
pub struct ParseRateError;

/// The text is no [`Limit`] in time.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as 10s, 5m or 1h30m, or the word forever")]
pub struct ParseLimitError;

// === impl Limit ===

impl FromStr for Limit {
    type Err = ParseLimitError;

    /// Parses a time limit: a duration or `forever`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" {
            return Ok(Self::Never);
        }
        let duration: jiff::SignedDuration = text.parse().map_err(|_| ParseLimitError)?;
        let duration = Duration::try_from(duration).map_err(|_| ParseLimitError)?;
        if duration.is_zero() {
            return Err(ParseLimitError);
        }
        Ok(Self::Elapsed(duration))
    }
}

// === impl Rate ===

impl Rate {
    /// So many calls per second.
    #[must_use]
    pub const fn per_second(calls: NonZeroU32) -> Self {
        Self {
            calls,
            period: Duration::from_secs(1),
        }
    }

    /// When the call with this index is due, counted from the start. The first is due at once.
    pub(super) fn due(self, index: u64) -> Duration {
        let nanos =
            self.period.as_nanos().saturating_mul(u128::from(index)) / u128::from(self.calls.get());
        u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
    }
}

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (calls, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(ParseRateError),
        };
        Ok(Self {
            calls: calls.parse().map_err(|_| ParseRateError)?,
            period: Duration::from_secs(seconds),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period.as_secs() {
            60 => "m",
            3600 => "h",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        for (text, shown) in [
            ("50", "50/s"),
            ("50/s", "50/s"),
            ("30/m", "30/m"),
            ("7/h", "7/h"),
        ] {
            let rate: Rate = text.parse().expect("a documented rate must be accepted");
            assert_eq!(rate.to_string(), shown, "{text} must keep its meaning");
        }
        for text in ["", "0", "-1", "1.5", "10/d", "/s", "many"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn time_limits_are_durations_or_forever() {
        assert_eq!("forever".parse::<Limit>().unwrap(), Limit::Never);
        assert_eq!(
            "1m30s".parse::<Limit>().unwrap(),
            Limit::Elapsed(Duration::from_secs(90))
        );
        for text in ["", "0s", "-3s", "10", "soon"] {
            assert!(text.parse::<Limit>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let rate = Rate::per_second(NonZeroU32::new(30_000).unwrap());
        assert_eq!(
            rate.due(30_000 * 86_400),
            Duration::from_hours(24),
            "after a day the schedule must still be exact"
        );
    }
}
