//! Which keys exist, read from the default settings, so that a misspelt key is found wherever it was
//! written.

use config::ValueKind;
use serde_json::Value;

/// The keys of a settings tree with their default values.
pub(super) struct Schema {
    leaves: Vec<Leaf>,
    sections: Vec<String>,
}

/// One key that holds a value.
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) default: ValueKind,
}

/// What a key is.
pub(super) enum Lookup {
    Leaf,
    Section,
    Unknown { near: Vec<String> },
}

// === impl Schema ===

impl Schema {
    /// Reads the keys from a serialized tree.
    pub(super) fn of(defaults: &Value) -> Self {
        let mut schema = Self {
            leaves: Vec::new(),
            sections: Vec::new(),
        };
        schema.walk("", defaults);
        schema
    }

    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub(super) fn lookup(&self, key: &str) -> Lookup {
        if self.leaves.iter().any(|leaf| leaf.key == key) {
            Lookup::Leaf
        } else if self.sections.iter().any(|section| section == key) {
            Lookup::Section
        } else {
            Lookup::Unknown {
                near: self.near(key),
            }
        }
    }

    fn walk(&mut self, key: &str, value: &Value) {
        let Value::Object(table) = value else {
            self.leaves.push(Leaf {
                key: key.to_owned(),
                default: kind_of(value),
            });
            return;
        };
        if !key.is_empty() {
            self.sections.push(key.to_owned());
        }
        for (name, value) in table {
            if key.is_empty() {
                self.walk(name, value);
            } else {
                self.walk(&format!("{key}.{name}"), value);
            }
        }
    }

    /// At most three known keys that look like `key`, or that end in its last name.
    fn near(&self, key: &str) -> Vec<String> {
        const ALIKE: f64 = 0.8;

        let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
        let mut candidates: Vec<(f64, &String)> = self
            .leaves
            .iter()
            .map(|leaf| {
                let whole = strsim::normalized_damerau_levenshtein(key, &leaf.key);
                // A key in the wrong section is as near as a misspelt one.
                let same_name = if last(key) == last(&leaf.key) {
                    ALIKE
                } else {
                    0.0
                };
                (whole.max(same_name), &leaf.key)
            })
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        candidates
            .into_iter()
            .take(3)
            .map(|(_, key)| key.clone())
            .collect()
    }
}

fn kind_of(value: &Value) -> ValueKind {
    match value {
        Value::Null | Value::Object(_) => ValueKind::Nil,
        Value::Bool(value) => ValueKind::Boolean(*value),
        Value::Number(number) => number.as_u64().map_or_else(
            || {
                number
                    .as_i64()
                    .map_or_else(|| number.as_f64().into(), ValueKind::I64)
            },
            ValueKind::U64,
        ),
        Value::String(text) => ValueKind::String(text.clone()),
        Value::Array(values) => ValueKind::Array(
            values
                .iter()
                .map(|value| config::Value::new(None, kind_of(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_across_sections() {
        let schema = Schema::of(&serde_json::json!({
            "server": { "address": "a", "keepalive_interval": "1s" },
            "drain": { "deadline": "1s" },
        }));
        for (key, expected) in [
            ("server.adress", "server.address"),
            ("server.keepalive_intervall", "server.keepalive_interval"),
            ("server.deadline", "drain.deadline"),
        ] {
            let Lookup::Unknown { near } = schema.lookup(key) else {
                panic!("{key} must be unknown");
            };
            assert_eq!(near.first().map(String::as_str), Some(expected));
        }
        assert!(matches!(schema.lookup("server"), Lookup::Section));
        assert!(
            matches!(schema.lookup("colour"), Lookup::Unknown { near } if near.is_empty()),
            "a key like no other must not get a wild guess"
        );
    }
}
