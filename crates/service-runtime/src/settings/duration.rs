//! Durations as people write them (`"30s"`, `"500ms"`, `"1m 30s"`), for `#[serde(with = "…")]`.
//!
//! A bare number is refused, because nobody can tell seconds from milliseconds by looking at it.

use std::fmt;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

static PARSER: SpanParser = SpanParser::new();

struct DurationVisitor;

/// Writes a duration in the form that [`deserialize`] reads.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    compact::required::serialize(duration, serializer)
}

/// Reads a duration with its unit.
///
/// # Errors
/// Anything but a string with a number and a unit.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

// === impl DurationVisitor ===

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"30s\", \"500ms\" or \"1m 30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        PARSER
            .parse_unsigned_duration(text)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

/// The same, where `"off"` means none.
pub mod or_off {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    use super::{DurationVisitor, PARSER, compact};

    struct OrOffVisitor;

    /// Writes a duration, or `"off"`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => compact::required::serialize(duration, serializer),
            None => serializer.serialize_str("off"),
        }
    }

    /// Reads a duration with its unit, or `"off"`.
    ///
    /// # Errors
    /// Anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_any(OrOffVisitor)
    }

    // === impl OrOffVisitor ===

    impl Visitor<'_> for OrOffVisitor {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            DurationVisitor.expecting(f)?;
            f.write_str(", or \"off\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            if text == "off" {
                return Ok(None);
            }
            PARSER
                .parse_unsigned_duration(text)
                .map(Some)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}
