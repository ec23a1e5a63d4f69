//! One fault: which share of the calls meets it, and what happens to them.
//!
//! It knows no clock and no random numbers; both come in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::settings::duration;

/// How long a fault lasts when nothing else is said.
const LASTS: Duration = Duration::from_mins(10);

/// The longest delay, and the longest time for a fault that ends by itself: what is longer is a mistake in
/// the unit.
const LONGEST_DELAY: Duration = Duration::from_hours(1);
const LONGEST: Duration = Duration::from_hours(24);

/// A fault, in the form in which it is sent to the ops listener and shown there. A call that meets it waits
/// first, and then gets the status or is cut off; with a delay alone, it is answered as ever.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Which share of the calls meets it: more than 0, at most 1. Each call has its own luck.
    pub ratio: f64,
    /// How long a call waits, an hour at most. Zero is no delay.
    #[serde(with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub delay: Duration,
    /// The status that it ends with, in the place of an answer: any but `OK`.
    #[serde(with = "super::fault::code", skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Whether its stream is reset (`INTERNAL_ERROR`) in the place of an answer, as a handler that dies
    /// leaves it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// After what time the fault ends by itself, 24 hours at most; `"off"` is never.
    #[serde(rename = "for", with = "duration::or_off")]
    pub lasts: Option<Duration>,
}

/// What a fault does, as its metric counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Delay,
    Status,
    Abort,
}

/// What a call gets, after the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// What the handler answers.
    Answer,
    /// This status.
    Status(Code),
    /// A reset stream.
    Reset,
}

/// What a fault has to be, and is not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Expected {
    /// The ratio is none.
    #[error(
        "ratio: expected more than 0 and at most 1, as 0.1 for a tenth of the calls; it is {0}"
    )]
    Ratio(f64),
    /// It would do nothing.
    #[error(
        "expected at least one of delay, code and abort: without them nothing happens to a call"
    )]
    Something,
    /// It would do two things at once.
    #[error("expected either code or abort: a stream that is reset has no status")]
    CodeOrAbort,
    /// The delay is too long.
    #[error("delay: expected at most 1h")]
    Delay,
    /// The code is none.
    #[error("expected a status code but OK, such as UNAVAILABLE or DEADLINE_EXCEEDED; it is {0:?}")]
    Code(String),
    /// It would last too long, or not at all.
    #[error(
        "for: expected more than zero and at most 24h, or \"off\" for a fault that only a clear ends"
    )]
    Lasts,
}

// === impl Fault ===

impl Fault {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn validate(&self) -> Result<(), Expected> {
        let is_ratio = self.ratio > 0.0 && self.ratio <= 1.0;
        if !is_ratio {
            return Err(Expected::Ratio(self.ratio));
        }
        if self.delay.is_zero() && self.code.is_none() && !self.abort {
            return Err(Expected::Something);
        }
        if self.code.is_some() && self.abort {
            return Err(Expected::CodeOrAbort);
        }
        if self.delay > LONGEST_DELAY {
            return Err(Expected::Delay);
        }
        match self.lasts {
            Some(lasts) if lasts.is_zero() || lasts > LONGEST => Err(Expected::Lasts),
            _ => Ok(()),
        }
    }

    /// A status code by its name in gRPC's documents, in any case: `UNAVAILABLE`.
    ///
    /// # Errors
    /// For `OK`, which is no failure, and for what is none.
    pub fn code_of(name: &str) -> Result<Code, Expected> {
        code::of(name).ok_or_else(|| Expected::Code(name.to_owned()))
    }

    /// What a call ends with, in the place of an answer: the code's name, `reset`, or nothing.
    #[must_use]
    pub fn ending(&self) -> Option<&'static str> {
        let reset = self.abort.then_some("reset");
        self.code.map(code::name).or(reset)
    }

    /// After what time it ends by itself.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// What a call gets that drew this number, from 0 up to 1 without 1 itself; `None` is no fault.
    pub(super) fn strikes(&self, drawn: f64) -> Option<Then> {
        let then = match (self.code, self.abort) {
            (Some(code), _) => Then::Status(code),
            (None, true) => Then::Reset,
            (None, false) => Then::Answer,
        };
        (drawn < self.ratio).then_some(then)
    }

    /// All that it does to a call.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let kinds = [
            (!self.delay.is_zero(), Kind::Delay),
            (self.code.is_some(), Kind::Status),
            (self.abort, Kind::Abort),
        ];
        kinds
            .into_iter()
            .filter_map(|(is, kind)| is.then_some(kind))
    }

    /// The same in a word, for a log's field.
    pub(super) fn word(&self) -> &'static str {
        match (self.delay.is_zero(), self.code.is_some(), self.abort) {
            (false, false, false) => "delay",
            (false, true, _) => "delay and status",
            (false, _, true) => "delay and abort",
            (true, true, _) => "status",
            (true, ..) => "abort",
        }
    }
}

impl Default for Fault {
    /// One that does nothing yet, to all calls, for ten minutes.
    fn default() -> Self {
        Self {
            ratio: 1.0,
            delay: Duration::ZERO,
            code: None,
            abort: false,
            lasts: Some(LASTS),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.delay.is_zero() {
            parts.push(format!("a delay of {:?}", self.delay));
        }
        if let Some(code) = self.code {
            parts.push(code::name(code).to_owned());
        }
        if self.abort {
            parts.push("a reset stream".to_owned());
        }
        write!(f, "{} for a ratio of {}", parts.join(", then "), self.ratio)
    }
}

// === impl Kind ===

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Delay, Self::Status, Self::Abort];

    /// The label of its metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Status => "status",
            Self::Abort => "abort",
        }
    }
}

/// Status codes by the names that gRPC's documents write.
mod code {
    use std::fmt;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};
    use tonic::Code;

    use crate::layers::metrics::CODES;

    struct CodeVisitor;

    pub(super) fn name(code: Code) -> &'static str {
        // Every code is a number of the table.
        CODES.get(code as usize).copied().unwrap_or_default()
    }

    /// Any but OK.
    pub(super) fn of(text: &str) -> Option<Code> {
        let upper = text.to_ascii_uppercase();
        let found = (1..).zip(&CODES[1..]).find(|(_, name)| **name == upper);
        found.map(|(number, _)| Code::from_i32(number))
    }

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `with` hands a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(
        code: &Option<Code>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match code {
            Some(code) => serializer.serialize_str(name(*code)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Code>, D::Error> {
        deserializer.deserialize_any(CodeVisitor)
    }

    // === impl CodeVisitor ===

    impl Visitor<'_> for CodeVisitor {
        type Value = Option<Code>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a status code but OK: {}", CODES[1..].join(", "))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let code = of(text);
            let code = code.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
            Ok(Some(code))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Fault, String> {
        let fault: Fault = serde_json::from_str(json).map_err(|error| error.to_string())?;
        fault.validate().map_err(|error| error.to_string())?;
        Ok(fault)
    }

    #[test]
    fn a_fault_is_read_with_its_defaults() {
        let fault = read(r#"{"delay": "200ms"}"#).unwrap();
        assert_eq!(fault.delay, Duration::from_millis(200));
        assert!((fault.ratio - 1.0).abs() < f64::EPSILON, "all calls");
        assert_eq!(
            fault.lasts,
            Some(Duration::from_mins(10)),
            "nobody forgets it"
        );
        let fault = read(r#"{"code": "unavailable", "ratio": 0.5, "for": "off"}"#).unwrap();
        assert_eq!(fault.code, Some(Code::Unavailable));
        assert_eq!(fault.lasts, None);
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(text, r#"{"ratio":0.5,"code":"UNAVAILABLE","for":"off"}"#);
        assert_eq!(read(&text), Ok(fault), "what is shown can be sent again");
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_was_expected() {
        for (json, part) in [
            ("{}", "at least one of delay, code and abort"),
            (
                r#"{"abort": true, "ratio": 0}"#,
                "more than 0 and at most 1",
            ),
            (r#"{"abort": true, "ratio": 1.5}"#, "it is 1.5"),
            (
                r#"{"abort": true, "code": "INTERNAL"}"#,
                "either code or abort",
            ),
            (r#"{"delay": 200}"#, "a duration with its unit"),
            (r#"{"delay": "2h"}"#, "at most 1h"),
            (r#"{"code": "OK"}"#, "a status code but OK: CANCELLED"),
            (r#"{"code": "TEAPOT"}"#, "UNAUTHENTICATED"),
            (
                r#"{"abort": true, "for": "0s"}"#,
                "more than zero and at most 24h",
            ),
            (r#"{"abort": true, "for": "25h"}"#, "at most 24h"),
            (
                r#"{"dealy": "1s"}"#,
                "expected one of `ratio`, `delay`, `code`",
            ),
        ] {
            let error = read(json).expect_err(json);
            assert!(
                error.contains(part),
                "{json}: {part:?} must be in {error:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_call_meets_it_when_it_drew_less_than_the_ratio(
            ratio in 0.0..=1.0_f64,
            drawn in 0.0..1.0_f64,
        ) {
            let fault = Fault { ratio, abort: true, ..Fault::default() };
            prop_assert_eq!(fault.strikes(drawn).is_some(), drawn < ratio);
            let all = Fault { ratio: 1.0, ..fault };
            prop_assert_eq!(all.strikes(drawn), Some(Then::Reset));
        }
    }
}
