//! A place in a JSON document, which knows its own path.
//!
//! A service config often comes from far away; "a duration such as \"1.5s\" was expected at
//! `methodConfig[2].timeout`" is what its author needs to read.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use tonic::Code;

use crate::code::NAMES;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    value: &'a Value,
    path: Path,
}

/// The way to a value, such as `methodConfig[2].timeout`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(String);

/// A value that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}")]
pub(crate) struct Unexpected {
    path: Path,
    expected: &'static str,
}

// === impl Path ===

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "$" } else { &self.0 })
    }
}

// === impl At ===

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: Path::default(),
        }
    }

    pub(super) fn expected(&self, expected: &'static str) -> Unexpected {
        Unexpected {
            path: self.path.clone(),
            expected,
        }
    }

    /// The fields of an object. A field that is `null` is as good as absent, as in protobuf's JSON.
    fn object(&self) -> Result<&'a Map<String, Value>, Unexpected> {
        self.value
            .as_object()
            .ok_or_else(|| self.expected("an object"))
    }

    /// The field with this name, if there is one.
    pub(super) fn field(&self, name: &str) -> Result<Option<At<'a>>, Unexpected> {
        let value = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| self.below(name, value)))
    }

    /// The field with this name, read by `read`, if there is one.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&At<'a>) -> Result<T, Unexpected>,
    ) -> Result<Option<T>, Unexpected> {
        self.field(name)?.as_ref().map(read).transpose()
    }

    /// The field with this name, which must be there.
    pub(super) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&At<'a>) -> Result<T, Unexpected>,
    ) -> Result<T, Unexpected> {
        match self.field(name)? {
            Some(at) => read(&at),
            None => Err(self
                .below(name, self.value)
                .expected("a value; it is required")),
        }
    }

    /// The only field of an object that names one thing and holds its settings.
    pub(super) fn single(&self) -> Result<(&'a str, At<'a>), Unexpected> {
        let mut fields = self.object()?.iter();
        match (fields.next(), fields.next()) {
            (Some((name, value)), None) => Ok((name, self.below(name, value))),
            _ => Err(self.expected("an object with exactly one field")),
        }
    }

    /// The items of an array.
    pub(super) fn items(&self) -> Result<Vec<At<'a>>, Unexpected> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.expected("an array"))?;
        let below = |(index, value)| At {
            value,
            path: Path(format!("{}[{index}]", self.path.0)),
        };
        Ok(items.iter().enumerate().map(below).collect())
    }

    pub(super) fn bool(&self) -> Result<bool, Unexpected> {
        self.value
            .as_bool()
            .ok_or_else(|| self.expected("true or false"))
    }

    pub(super) fn str(&self) -> Result<&'a str, Unexpected> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A number of 32 bits; protobuf's JSON also writes it as a string.
    pub(super) fn u32(&self) -> Result<u32, Unexpected> {
        let number = match self.value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        number
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| self.expected("a whole number from 0 to 4294967295"))
    }

    /// A finite number above zero.
    pub(super) fn positive(&self) -> Result<f64, Unexpected> {
        let number = self.value.as_f64().filter(|n| n.is_finite() && *n > 0.0);
        number.ok_or_else(|| self.expected("a number above 0"))
    }

    pub(super) fn percentage(&self) -> Result<u32, Unexpected> {
        match self.u32() {
            Ok(percentage) if percentage <= 100 => Ok(percentage),
            _ => Err(self.expected("a whole number from 0 to 100")),
        }
    }

    /// A duration as protobuf's JSON writes it: seconds with up to nine decimals, and `s`. The
    /// examples of gRFC A6 leave out the zero of `.5s`, and so may a config.
    pub(super) fn duration(&self) -> Result<Duration, Unexpected> {
        self.value
            .as_str()
            .and_then(parse_duration)
            .ok_or_else(|| self.expected("a duration such as \"1.5s\""))
    }

    /// A duration that is not zero.
    pub(super) fn positive_duration(&self) -> Result<Duration, Unexpected> {
        match self.duration()? {
            Duration::ZERO => Err(self.expected("a duration above 0s")),
            duration => Ok(duration),
        }
    }

    /// A status code by its number or, in any case, by its name.
    pub(super) fn code(&self) -> Result<Code, Unexpected> {
        let number = match self.value {
            Value::String(name) => {
                let name = name.to_ascii_uppercase();
                NAMES.iter().position(|code| *code == name)
            }
            value => value.as_u64().and_then(|number| number.try_into().ok()),
        };
        number
            .filter(|number| *number < NAMES.len())
            .and_then(|number| number.try_into().ok())
            .map(Code::from_i32)
            .ok_or_else(|| self.expected("a status code such as \"UNAVAILABLE\" or 14"))
    }

    fn below(&self, name: &str, value: &'a Value) -> At<'a> {
        let path = if self.path.0.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path.0)
        };
        At {
            value,
            path: Path(path),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(decimals) || !(1..=9).contains(&decimals.len()) {
        return None;
    }
    let seconds = match seconds {
        "" if number.starts_with('.') => "0",
        seconds => seconds,
    };
    let nanos: u32 = format!("{decimals:0<9}").parse().ok()?;
    Some(Duration::new(seconds.parse().ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_those_of_protobufs_json() {
        for (text, expected) in [
            ("1s", Some(Duration::from_secs(1))),
            ("1.5s", Some(Duration::from_millis(1_500))),
            ("0.000000001s", Some(Duration::from_nanos(1))),
            ("0s", Some(Duration::ZERO)),
            (".5s", Some(Duration::from_millis(500))),
            (".s", None),
            ("1", None),
            ("s", None),
            ("-1s", None),
            ("1.s", None),
            ("1.0000000001s", None),
            ("1m", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_code_has_a_number_and_a_name() {
        for value in [json!("UNAVAILABLE"), json!("unavailable"), json!(14)] {
            assert_eq!(At::root(&value).code(), Ok(Code::Unavailable), "{value}");
        }
        for value in [
            json!("SOMETHING"),
            json!(17),
            json!(-1),
            json!(null),
            json!([]),
        ] {
            assert!(At::root(&value).code().is_err(), "{value}");
        }
    }

    #[test]
    fn an_error_tells_its_place() {
        let value = json!({"a": [{"b": 1}, {"b": "x"}]});
        let items = At::root(&value).required("a", At::items).unwrap();
        let error = items[1].required("b", At::bool).unwrap_err();
        assert_eq!(error.to_string(), "a[1].b: expected true or false");
        let error = items[0].required("c", At::bool).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a[0].c: expected a value; it is required"
        );
    }
}
