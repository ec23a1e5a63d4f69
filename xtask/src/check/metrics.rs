//! Alerts and dashboards ask for metrics that the server has: a query for another name is a panel that
//! stays empty, and an alert that never fires.
//!
//! What the server has is in docs/metrics.md, which tests of the server compare with a real scrape.

mod promql;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::promql::Asked;
use super::finding::{Examination, Finding};
use super::object::{Object, list, text};
use super::render::Render;
use super::structure::File;

const DOCUMENT: &str = "docs/metrics.md";

/// What Grafana's sidecar finds a dashboard by.
const DASHBOARD: &str = "grafana_dashboard";

/// What others than the server have: Prometheus itself, kube-state-metrics, the kubelet's cAdvisor.
const FOREIGN: [&str; 4] = ["up", "target_info", "kube_", "container_"];

/// What Prometheus adds to every series, and a histogram to its buckets.
const ADDED: [&str; 8] = [
    "job",
    "namespace",
    "pod",
    "container",
    "instance",
    "endpoint",
    "node",
    "le",
];

/// The names and the labels of what the server has.
type Known = BTreeMap<String, BTreeSet<String>>;

/// Looks at every query of the renders, each text once.
pub(super) fn examine(files: &[File], renders: &[Render]) -> Examination {
    let document = files.iter().find(|it| it.path == DOCUMENT);
    let emitted = document.map(|it| emitted(&it.text)).unwrap_or_default();
    let mut examination = Examination::default();
    if emitted.is_empty() {
        let problem = "has no table of metrics";
        let cure = "write down what the server emits; its own test compares the two";
        examination
            .findings
            .push(Finding::in_file(DOCUMENT, problem, cure));
        return examination;
    }
    for render in renders {
        let mut known = emitted.clone();
        for rule in rules(render) {
            known.extend(text(rule, "record").map(|it| (it.to_owned(), BTreeSet::new())));
        }
        let mut found = Examination::default();
        for (object, query) in queries(render) {
            for asked in promql::read(&query) {
                judge(&mut found, object, &known, &asked);
            }
        }
        examination.add(found.within(&render.name));
    }
    examination
}

fn judge(examination: &mut Examination, object: &Object, known: &Known, asked: &Asked) {
    let is_foreign = |it: &str| asked.name == it || it.ends_with('_') && asked.name.starts_with(it);
    if FOREIGN.into_iter().any(is_foreign) {
        return;
    }
    let Some(labels) = known.get(&asked.name) else {
        let problem = format!("no replica emits {}", asked.name);
        let cure = "docs/metrics.md names those that are emitted";
        examination.expect(false, object, "/spec", || problem, cure);
        return;
    };
    // A recorded series has whatever labels its rule leaves.
    let is_recorded = asked.name.contains(':');
    for label in &asked.labels {
        examination.expect(
            is_recorded || labels.contains(label) || ADDED.contains(&label.as_str()),
            object,
            "/spec",
            || format!("{} has no label {label}", asked.name),
            "docs/metrics.md names the labels",
        );
    }
    examination.subject();
}

/// The rows of the document's table: name, type, labels, meaning.
fn emitted(document: &str) -> Known {
    let mut known = Known::new();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (Some(name), Some(kind), Some(labels)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let name = name.trim_matches('`');
        let labels: BTreeSet<String> = labels
            .split(',')
            .map(|it| it.trim().trim_matches('`').to_owned())
            .filter(|it| !it.is_empty())
            .collect();
        let suffixes: &[&str] = match kind {
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        for suffix in suffixes {
            known.insert(format!("{name}{suffix}"), labels.clone());
        }
    }
    known
}

/// The rules of every `PrometheusRule`.
fn rules(render: &Render) -> impl Iterator<Item = &Value> {
    render
        .of_kind("PrometheusRule")
        .flat_map(|it| it.list("/spec/groups"))
        .flat_map(|it| list(it, "/rules"))
}

/// Every query of a render, with the object that holds it.
fn queries(render: &Render) -> Vec<(&Object, String)> {
    let mut queries = Vec::new();
    for object in render.of_kind("PrometheusRule") {
        for group in object.list("/spec/groups") {
            let rules = list(group, "/rules").iter();
            let exprs = rules.filter_map(|it| text(it, "expr"));
            queries.extend(exprs.map(|it| (object, it.to_owned())));
        }
    }
    for object in render.of_kind("ConfigMap") {
        if !object.labels("/metadata/labels").contains_key(DASHBOARD) {
            continue;
        }
        for json in object.labels("/data").into_values() {
            if let Ok(dashboard) = serde_json::from_str(&json) {
                let mut found = Vec::new();
                collect(&dashboard, &mut found);
                queries.extend(found.into_iter().map(|it| (object, it)));
            }
        }
    }
    queries
}

/// The queries of a dashboard, wherever in it they stand.
fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("expr" | "query", Value::String(query)) if query != "prometheus" => {
                        queries.push(query.clone());
                    }
                    _ => collect(value, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, queries)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| metric | type | labels | says |\n|---|---|---|---|\n\
        | `calls_seconds` | histogram | `method`, `status` | how long |\n\
        | `open` | gauge |  | how many |\n";

    const RULES: &str = r#"
kind: PrometheusRule
metadata: {name: shop}
spec:
  groups:
    - rules:
        - {record: 'ns:calls:rate5m', expr: 'sum by (job) (rate(calls_seconds_count{method="a"}[5m]))'}
        - {alert: Slow, expr: 'ns:calls:rate5m{job="x"} > 1 and open{pod="p"} > 0 unless up == 0'}
---
kind: ConfigMap
metadata: {name: board, labels: {grafana_dashboard: "1"}}
data:
  board.json: '{"panels": [{"targets": [{"expr": "open"}]}], "templating": {"query": "label_values(open{job=\"x\"}, pod)"}}'
"#;

    fn found(replacement: (&str, &str)) -> Vec<String> {
        let render = Render::parse("test", &RULES.replace(replacement.0, replacement.1)).unwrap();
        let document = File::new(DOCUMENT, TABLE);
        let findings = examine(&[document], &[render]).findings;
        findings.into_iter().map(|it| it.problem).collect()
    }

    #[test]
    fn queries_for_what_is_emitted_hold() {
        let none: [&str; 0] = [];
        assert_eq!(found(("nothing", "nothing")), none);
    }

    #[test]
    fn a_name_or_a_label_that_is_not_there_is_found() {
        for (from, to, said) in [
            (
                "calls_seconds_count",
                "calls_seconds_total",
                "no replica emits calls_seconds_total",
            ),
            (
                "{method=",
                "{code=",
                "calls_seconds_count has no label code",
            ),
            (
                r#""expr": "open""#,
                r#""expr": "opened""#,
                "no replica emits opened",
            ),
            (
                "label_values(open",
                "label_values(shut",
                "no replica emits shut",
            ),
            (
                "record: 'ns:calls:rate5m'",
                "record: 'ns:calls:rate1m'",
                "no replica emits ns:calls:rate5m",
            ),
        ] {
            assert_eq!(found((from, to)), [said], "{from} → {to}");
        }
    }
}
