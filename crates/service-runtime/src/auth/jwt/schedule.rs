//! When a published key set is fetched again. Pure: time and randomness come in as arguments.

use std::time::Duration;

use http::{HeaderMap, header};

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// What is known of the fetches so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    min: Duration,
    max: Duration,
    failures: u32,
}

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            failures: 0,
        }
    }

    /// How long the set may be used before it is fetched again: as long as the issuer says, within the
    /// bounds, and up to a tenth less, so that replicas that started together do not ask together.
    /// `random` is from 0 to 1.
    pub(super) fn fetched(&mut self, max_age: Option<Duration>, random: f64) -> Duration {
        self.failures = 0;
        let wait = max_age.unwrap_or(self.max).clamp(self.min, self.max);
        wait.mul_f64(1.0 - random / 10.0).max(self.min)
    }

    /// How long to wait before an issuer that failed is asked again: a second at first, then twice as
    /// long each time, up to the shortest time between fetches; and up to a fifth less.
    pub(super) fn failed(&mut self, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST.saturating_mul(factor).min(self.min);
        wait.mul_f64(1.0 - random / 5.0)
    }
}

/// For how long an answer is fresh by its `Cache-Control` and `Age` (RFC 9111, sections 4.2 and 5.2.2);
/// `None` when it does not say.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(header::CACHE_CONTROL);
    let directives = directives.iter().filter_map(|it| it.to_str().ok());
    let mut seconds = None;
    for directive in directives.flat_map(|it| it.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return Some(Duration::ZERO);
        }
        if let Some(value) = directive.strip_prefix("max-age=") {
            seconds = value.trim_matches('"').parse::<u64>().ok();
        }
    }
    let age = headers.get(header::AGE).and_then(|it| it.to_str().ok());
    let age = age.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
    seconds.map(|it| Duration::from_secs(it.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_mins(1);
    const MAX: Duration = Duration::from_mins(15);

    #[test]
    fn the_issuers_max_age_counts_within_the_bounds() {
        for (said, expected) in [
            (None, MAX),
            (Some(Duration::ZERO), MIN),
            (Some(Duration::from_mins(5)), Duration::from_mins(5)),
            (Some(Duration::MAX), MAX),
        ] {
            let mut schedule = Schedule::new(MIN, MAX);
            assert_eq!(schedule.fetched(said, 0.0), expected, "{said:?}");
            let earlier = schedule.fetched(said, 1.0);
            assert!(earlier >= MIN && earlier <= expected, "{earlier:?}");
        }
    }

    #[test]
    fn an_issuer_that_fails_is_asked_ever_less_often_until_it_answers() {
        let mut schedule = Schedule::new(MIN, MAX);
        let waits: Vec<u64> = (0..8).map(|_| schedule.failed(0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!((0..100).all(|_| schedule.failed(1.0) <= MIN));
        schedule.fetched(None, 0.0);
        assert_eq!(schedule.failed(0.0), FIRST, "a success begins anew");
    }

    #[test]
    fn cache_control_is_read_as_rfc_9111_writes_it() {
        for (cache_control, age, expected) in [
            ("max-age=300", "", Some(300)),
            ("public, Max-Age=300, must-revalidate", "100", Some(200)),
            ("max-age=300", "400", Some(0)),
            ("max-age=300, no-store", "", Some(0)),
            ("no-cache", "", Some(0)),
            ("max-age=99999999999999999999", "", None),
            ("max-age=-1", "", None),
            ("s-maxage=10", "", None),
            ("", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, cache_control.parse().unwrap());
            headers.insert(header::AGE, age.parse().unwrap());
            let expected = expected.map(Duration::from_secs);
            assert_eq!(max_age(&headers), expected, "{cache_control:?} {age:?}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
