//! What `/metrics` shows: families with their types, and the labels of every series.

use std::collections::{BTreeMap, BTreeSet};

/// What was scraped, of one process or several.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    types: BTreeMap<String, String>,
    /// By the name of the series, such as `…_bucket`.
    labels: BTreeMap<String, BTreeSet<String>>,
}

// === impl Scrape ===

impl Scrape {
    pub(super) fn read(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap();
                self.types.insert(name.to_owned(), kind.to_owned());
            } else if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                let end = line.find(['{', ' ']).unwrap_or(line.len());
                let labels = self.labels.entry(line[..end].to_owned()).or_default();
                labels.extend(names(&line[end..]));
            }
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.types.extend(other.types);
        for (name, labels) in other.labels {
            self.labels.entry(name).or_default().extend(labels);
        }
    }

    /// The labels of a series.
    pub(super) fn series(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.labels.get(name)
    }

    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// The type and the labels of a metric.
    pub(super) fn family(&self, name: &str) -> Option<(String, BTreeSet<String>)> {
        let kind = self.types.get(name)?;
        let series = match kind.as_str() {
            "histogram" => format!("{name}_count"),
            _ => name.to_owned(),
        };
        Some((kind.clone(), self.labels.get(&series)?.clone()))
    }
}

/// The names in `{name="value",…}`.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.strip_prefix('{').unwrap_or_default();
    while let Some((name, value)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut escaped = false;
        let end = value.find(|c: char| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        rest = &value[end.unwrap() + 1..];
    }
    names
}

/// The rows of a table of docs/metrics.md: type and labels by name.
pub(super) fn document(heading: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|it| it.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|it| it.replace('`', "")).collect();
        let labels = cells[3].split(',').map(|it| it.trim().to_owned());
        let labels = labels.filter(|it| !it.is_empty()).collect();
        (
            cells[1].trim().to_owned(),
            (cells[2].trim().to_owned(), labels),
        )
    };
    rows.map(row).collect()
}
