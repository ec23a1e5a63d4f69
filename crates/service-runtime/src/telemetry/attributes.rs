//! Resource attributes as settings write them.

use opentelemetry::KeyValue;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

const EXPECTED: &str = "key=value, such as \"deployment.environment.name=production\"";

/// A list of `key=value`; in an environment variable separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Attributes(Vec<String>);

// === impl Attributes ===

impl Attributes {
    pub(super) fn pairs(&self) -> impl Iterator<Item = KeyValue> + '_ {
        let pairs = self.0.iter().filter_map(|text| text.split_once('='));
        pairs.map(|(key, value)| KeyValue::new(key.trim().to_owned(), value.trim().to_owned()))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let is_pair = |text: &&String| {
            let pair = text.split_once('=');
            pair.is_some_and(|(key, _)| !key.trim().is_empty())
        };
        match texts.iter().find(|text| !is_pair(text)) {
            Some(wrong) => Err(D::Error::invalid_value(Unexpected::Str(wrong), &EXPECTED)),
            None => Ok(Self(texts)),
        }
    }
}
