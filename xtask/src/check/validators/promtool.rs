//! promtool: the rules of every `PrometheusRule` are PromQL.

use std::fs;

use serde_json::json;

use crate::check::error::{Error, writing};
use crate::check::finding::{Examination, Finding};
use crate::check::manifests::Manifests;
use crate::check::object::Object;
use crate::check::outcome::Outcome;
use crate::check::tool::PROMTOOL;

/// Checks the rules of every render, each text once.
pub(in super::super) fn run(manifests: &Manifests) -> Result<Outcome, Error> {
    if PROMTOOL.find().is_none() {
        return Ok(Outcome::Skipped(PROMTOOL.missing()));
    }
    let mut examination = Examination::default();
    let mut seen: Vec<&Object> = Vec::new();
    for render in &manifests.renders {
        for rule in render.of_kind("PrometheusRule") {
            if seen.iter().any(|it| it.get("/spec") == rule.get("/spec")) {
                continue;
            }
            seen.push(rule);
            examination.add(check(rule)?.within(&render.name));
        }
    }
    Ok(Outcome::of(examination, "rules"))
}

fn check(rule: &Object) -> Result<Examination, Error> {
    let folder = tempfile::tempdir().map_err(writing(std::env::temp_dir()))?;
    let file = folder.path().join("rules.yaml");
    // JSON is YAML.
    let groups = json!({"groups": rule.list("/spec/groups")}).to_string();
    fs::write(&file, groups).map_err(writing(&file))?;
    let arguments = ["check", "rules"].map(str::to_owned);
    let mut arguments = Vec::from(arguments);
    arguments.push(file.to_string_lossy().into_owned());
    let output = PROMTOOL.run(&arguments, "")?;
    let mut examination = Examination::default();
    examination.subject();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.replace(&*file.to_string_lossy(), "").trim().to_owned();
        let cure = "promtool check rules says the same for spec.groups";
        let finding = Finding::in_file(rule.to_string(), said, cure);
        examination.findings.push(finding);
    }
    Ok(examination)
}
