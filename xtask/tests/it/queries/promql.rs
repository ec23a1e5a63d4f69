//! The queries of the repository, parsed: which metrics they ask for, and by which labels.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use promql_parser::parser::{self, Expr};
use serde_json::Value;

use super::scrape::Scrape;

/// What Prometheus itself adds to every series.
const ADDED: [&str; 5] = ["job", "namespace", "pod", "instance", "le"];

/// What Prometheus itself has.
const PROMETHEUS: [&str; 1] = ["up"];

/// Where each query stands, and the query.
pub(super) struct Queries {
    all: Vec<(String, String)>,
    recorded: BTreeSet<String>,
}

/// What one query asks for.
#[derive(Default)]
struct Asked {
    /// Each metric with the labels that it is compared by.
    metrics: Vec<(String, BTreeSet<String>)>,
    /// The labels that results are told apart by.
    grouped: BTreeSet<String>,
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

// === impl Queries ===

impl Queries {
    /// Those of the dashboard, of the alerts and of the document.
    pub(super) fn of_the_repository() -> Self {
        let read = |path: &str| fs::read_to_string(root(path)).unwrap();
        let mut all = Vec::new();
        let dashboard = read("kustomize/components/monitoring/dashboard.json");
        collect(
            &serde_json::from_str(&dashboard).unwrap(),
            "dashboard",
            &mut all,
        );
        let rules = read("kustomize/components/monitoring/prometheusrule.yaml");
        let rules: Value = serde_saphyr::from_str(&rules).unwrap();
        let mut recorded = BTreeSet::new();
        for group in rules["spec"]["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
                let expr = rule["expr"].as_str().unwrap();
                all.push((format!("prometheusrule.yaml, {name}"), expr.to_owned()));
                recorded.extend(rule["record"].as_str().map(str::to_owned));
            }
        }
        let document = read("docs/metrics.md");
        let (_, queries) = document.split_once("```promql\n").unwrap();
        let (queries, _) = queries.split_once("```").unwrap();
        let mut query = String::new();
        for line in queries.lines().chain(["#"]) {
            if !line.starts_with('#') {
                query.push_str(line);
            } else if !query.is_empty() {
                all.push(("docs/metrics.md".to_owned(), std::mem::take(&mut query)));
            }
        }
        Self { all, recorded }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What is asked for and not there, in words.
    pub(super) fn unknown(&self, known: &Scrape) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, query) in &self.all {
            let mut asked = Asked::default();
            // Grafana's own.
            let query = query.replace("$__rate_interval", "5m");
            match parser::parse(&query) {
                Ok(expr) => asked.read(&expr),
                Err(error) => wrong.push(format!("{place}: {error}: {query}")),
            }
            let mut may_group: BTreeSet<String> = BTreeSet::new();
            let mut is_recorded = false;
            for (name, labels) in &asked.metrics {
                if self.recorded.contains(name) || PROMETHEUS.contains(&name.as_str()) {
                    is_recorded = true;
                    continue;
                }
                let Some(there) = known.series(name) else {
                    wrong.push(format!("{place}: nobody emits {name}"));
                    continue;
                };
                may_group.extend(there.iter().cloned());
                let missing = labels.iter().filter(|it| !is_there(it, there));
                wrong.extend(missing.map(|it| format!("{place}: {name} has no label {it}")));
            }
            let missing = asked.grouped.iter().filter(|it| !is_there(it, &may_group));
            if !is_recorded {
                wrong.extend(missing.map(|it| format!("{place}: nothing has a label {it}")));
            }
        }
        wrong
    }
}

fn is_there(label: &str, labels: &BTreeSet<String>) -> bool {
    ADDED.contains(&label) || labels.contains(label)
}

/// The queries of a dashboard, wherever in it they stand.
fn collect(value: &Value, place: &str, queries: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let place = fields.get("title").and_then(Value::as_str).unwrap_or(place);
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("expr", Some(query)) => queries.push((place.to_owned(), query.to_owned())),
                    // A variable: Grafana asks for the label behind the comma.
                    ("query", Some(query)) => {
                        let inner = query.strip_prefix("label_values(");
                        let inner = inner.and_then(|it| it.rsplit_once(','));
                        queries.extend(inner.map(|(it, _)| (place.to_owned(), it.to_owned())));
                    }
                    _ => collect(value, place, queries),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, place, queries);
            }
        }
        _ => {}
    }
}

// === impl Asked ===

impl Asked {
    fn read(&mut self, expr: &Expr) {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Aggregate(aggregate) => {
                self.read(&aggregate.expr);
                if let Some(param) = &aggregate.param {
                    self.read(param);
                }
                let by = aggregate.modifier.iter().flat_map(|it| &it.labels().labels);
                self.grouped.extend(by.cloned());
            }
            Expr::Binary(binary) => {
                self.read(&binary.lhs);
                self.read(&binary.rhs);
                let on = binary.modifier.iter().filter_map(|it| it.matching.as_ref());
                self.grouped
                    .extend(on.flat_map(|it| it.labels().labels.clone()));
            }
            Expr::Call(call) => call.args.args.iter().for_each(|it| self.read(it)),
            Expr::Paren(paren) => self.read(&paren.expr),
            Expr::Unary(unary) => self.read(&unary.expr),
            Expr::Subquery(subquery) => self.read(&subquery.expr),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn selector(&mut self, selector: &parser::VectorSelector) {
        let matchers = &selector.matchers;
        let all = matchers
            .matchers
            .iter()
            .chain(matchers.or_matchers.iter().flatten());
        let labels = all.map(|it| it.name.clone()).filter(|it| it != "__name__");
        let name = selector.name.clone().expect("a query names its metrics");
        self.metrics.push((name, labels.collect()));
    }
}
