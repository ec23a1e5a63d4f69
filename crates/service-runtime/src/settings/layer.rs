//! The layers: each turns its own form into the same list of entries.

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::Path;

use config::ValueKind;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, ProblemKind};
use super::schema::Schema;
use super::{Flag, Origin, WellKnown};

/// One key that a layer sets.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: ValueKind,
    pub(super) origin: Origin,
}

/// The defaults, which are the schema's own values.
pub(super) fn defaults(schema: &Schema) -> Vec<Entry> {
    schema
        .leaves()
        .iter()
        .map(|leaf| Entry {
            key: leaf.key.clone(),
            value: leaf.default.clone(),
            origin: Origin::Default,
        })
        .collect()
}

/// A TOML file. Its lines are kept, so that a problem can be found with an editor.
pub(super) fn file(path: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let unreadable = |line, message| Problem {
        key: None,
        origin: Origin::File {
            path: path.to_owned(),
            line,
        },
        kind: ProblemKind::Unreadable { message },
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("expected a readable TOML file: {error}");
            problems.push(unreadable(1, message));
            return Vec::new();
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        problems.extend(errors.iter().map(|error| {
            // Only the message: the text around it may hold a secret.
            let line = line_of(&text, &error.span().unwrap_or_default());
            unreadable(line, format!("expected valid TOML: {}", error.message()))
        }));
        return Vec::new();
    }
    let mut entries = Vec::new();
    walk_table(path, &text, "", table.get_ref(), &mut entries);
    entries
}

/// What variables that are not ours say.
pub(super) fn well_known(
    schema: &Schema,
    known: &[WellKnown],
    variables: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for WellKnown { variable, key } in known {
        let found = variables
            .iter()
            .find(|(name, value)| name.to_str() == Some(variable) && !value.is_empty());
        if let Some((_, value)) = found {
            let origin = Origin::Environment((*variable).to_owned());
            let key = (*key).to_owned();
            entries.extend(text_entry(schema, key, value, origin, problems));
        }
    }
    entries
}

/// The environment: `PREFIX__SECTION__KEY`. What does not begin with the prefix and two underscores
/// is none of ours, above all `PREFIX_PORT=tcp://…`, which Kubernetes injects.
pub(super) fn environment(
    prefix: &str,
    schema: &Schema,
    variables: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix))
            .and_then(|rest| rest.strip_prefix("__"))
        else {
            continue;
        };
        let key = rest.to_lowercase().replace("__", ".");
        let origin = Origin::Environment(name.to_string_lossy().into_owned());
        entries.extend(text_entry(schema, key, value, origin, problems));
    }
    // The order of the environment is an accident; that of the messages must not be.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// The command line.
pub(super) fn flags(schema: &Schema, flags: &[Flag], problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for flag in flags {
        let origin = Origin::Flag(flag.name.clone());
        entries.extend(text_entry(
            schema,
            flag.key.clone(),
            &flag.value,
            origin,
            problems,
        ));
    }
    entries
}

fn text_entry(
    schema: &Schema,
    key: String,
    value: &OsStr,
    origin: Origin,
    problems: &mut Vec<Problem>,
) -> Option<Entry> {
    let Some(text) = value.to_str() else {
        problems.push(Problem {
            key: Some(key),
            origin,
            kind: ProblemKind::Unreadable {
                message: "expected Unicode".to_owned(),
            },
        });
        return None;
    };
    let is_list = schema
        .leaves()
        .iter()
        .any(|leaf| leaf.key == key && matches!(leaf.default, ValueKind::Array(_)));
    let value = if is_list {
        ValueKind::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| config::Value::new(None, item))
                .collect(),
        )
    } else {
        ValueKind::String(text.to_owned())
    };
    Some(Entry { key, value, origin })
}

fn walk_table(path: &Path, text: &str, prefix: &str, table: &DeTable<'_>, out: &mut Vec<Entry>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        match value.get_ref() {
            // A section without keys is walked too, so that a misspelt one is found.
            DeValue::Table(inner) if !inner.is_empty() => walk_table(path, text, &key, inner, out),
            _ => out.push(Entry {
                key,
                value: toml_kind(value),
                origin: Origin::File {
                    path: path.to_owned(),
                    line: line_of(text, &name.span()),
                },
            }),
        }
    }
}

fn toml_kind(value: &Spanned<DeValue<'_>>) -> ValueKind {
    match value.get_ref() {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| ValueKind::String(integer.to_string()), ValueKind::I64),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or_else(|_| ValueKind::String(float.to_string()), ValueKind::Float),
        DeValue::Boolean(value) => ValueKind::Boolean(*value),
        DeValue::Datetime(datetime) => ValueKind::String(datetime.to_string()),
        DeValue::Array(values) => ValueKind::Array(
            values
                .iter()
                .map(|value| config::Value::new(None, toml_kind(value)))
                .collect(),
        ),
        DeValue::Table(_) => ValueKind::Table(config::Map::new()),
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start)
        .map_or(1, |before| before.matches('\n').count() + 1)
}
