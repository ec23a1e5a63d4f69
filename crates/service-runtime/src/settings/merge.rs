//! Merges the layers with the crate `config` and reads the settings from the result, finding every
//! problem instead of the first.

use std::collections::{BTreeMap, BTreeSet};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::error::{Problem, ProblemKind};
use super::layer::Entry;
use super::schema::{Lookup, Schema};
use super::{Origin, Settings, Violations};

/// A layer as `config` sees it.
#[derive(Clone, Debug)]
struct Layer(Vec<Entry>);

/// Reads the settings, or adds to `problems` what keeps it from doing so. The origins are those of
/// the values that won.
pub(super) fn merge<S: Settings>(
    schema: &Schema,
    layers: Vec<Vec<Entry>>,
    problems: &mut Vec<Problem>,
) -> Option<(S, BTreeMap<String, Origin>)> {
    let layers: Vec<Vec<Entry>> = layers
        .into_iter()
        .map(|layer| known(schema, layer, problems))
        .collect();
    let winners: BTreeMap<&str, &Entry> = layers
        .iter()
        .flatten()
        .map(|entry| (entry.key.as_str(), entry))
        .collect();

    // A key whose value is not acceptable is reported and read again without it, until all is read.
    let mut refused = BTreeSet::new();
    let settings = loop {
        let (key, message) = match read::<S>(&layers, &refused) {
            Ok(settings) => break Some(settings),
            Err(problem) => problem,
        };
        let winner = winners.get(key.as_str());
        problems.push(value_problem(&key, winner.copied(), message));
        let can_go_on = winner.is_some_and(|entry| entry.origin != Origin::Default);
        if !can_go_on || !refused.insert(key) {
            break None;
        }
    }?;

    let mut violations = Violations::default();
    settings.validate(&mut violations);
    for (key, message) in violations.found {
        if !refused.contains(&key) {
            problems.push(value_problem(
                &key,
                winners.get(key.as_str()).copied(),
                message,
            ));
        }
    }
    let origins = winners
        .into_iter()
        .map(|(key, entry)| (key.to_owned(), entry.origin.clone()))
        .collect();
    Some((settings, origins))
}

/// Drops the entries that name no value, and says why.
fn known(schema: &Schema, layer: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    layer
        .into_iter()
        .filter_map(|entry| {
            let kind = match schema.lookup(&entry.key) {
                Lookup::Leaf => return Some(entry),
                // An empty section in a file sets nothing and is not wrong.
                Lookup::Section if matches!(entry.value, ValueKind::Table(_)) => return None,
                Lookup::Section => ProblemKind::Section,
                Lookup::Unknown { near } => ProblemKind::UnknownKey { near },
            };
            problems.push(Problem {
                key: Some(entry.key),
                origin: entry.origin,
                kind,
            });
            None
        })
        .collect()
}

fn read<S: DeserializeOwned>(
    layers: &[Vec<Entry>],
    refused: &BTreeSet<String>,
) -> Result<S, (String, String)> {
    let mut builder = Config::builder();
    for layer in layers {
        let entries = layer
            .iter()
            .filter(|entry| entry.origin == Origin::Default || !refused.contains(&entry.key))
            .cloned()
            .collect();
        builder = builder.add_source(Layer(entries));
    }
    let merged = builder
        .build()
        .map_err(|error| (String::new(), describe(error)))?;
    serde_path_to_error::deserialize(merged.cache)
        .map_err(|error| (error.path().to_string(), describe(error.into_inner())))
}

fn value_problem(key: &str, winner: Option<&Entry>, message: String) -> Problem {
    let service_link = winner.is_some_and(|entry| {
        matches!(entry.origin, Origin::Environment(_))
            && matches!(&entry.value, ValueKind::String(text) if text.starts_with("tcp://"))
    });
    Problem {
        key: Some(key.to_owned()),
        origin: winner.map_or(Origin::Default, |entry| entry.origin.clone()),
        kind: ProblemKind::Value {
            message,
            service_link,
        },
    }
}

/// What was expected. The key and the layer are left out; the problem carries them.
fn describe(error: ConfigError) -> String {
    match error {
        ConfigError::Type {
            unexpected,
            expected,
            ..
        } => format!("expected {expected}, got {unexpected}"),
        ConfigError::At { error, .. } => describe(*error),
        other => other.to_string(),
    }
}

// === impl Layer ===

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self
            .0
            .iter()
            .map(|entry| {
                let origin = entry.origin.to_string();
                (
                    entry.key.clone(),
                    Value::new(Some(&origin), entry.value.clone()),
                )
            })
            .collect())
    }
}
