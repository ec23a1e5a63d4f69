//! promtool: the rules of every `PrometheusRule` are `PromQL`, and do what the tests beside them say.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::check::error::{Error, reading, writing};
use crate::check::finding::{Examination, Finding};
use crate::check::manifests::Manifests;
use crate::check::object::Object;
use crate::check::outcome::Outcome;
use crate::check::tool::PROMTOOL;

/// The tests of a component's rules; they call the rules `rules.yaml`.
const TESTS: &str = "rules.test.yaml";

/// Checks the rules of every render, each text once, and runs the tests of each component.
pub(in super::super) fn run(manifests: &Manifests) -> Result<Outcome, Error> {
    if PROMTOOL.find().is_none() {
        return Ok(Outcome::Skipped(PROMTOOL.missing()));
    }
    let mut examination = Examination::default();
    let mut seen: Vec<&Object> = Vec::new();
    let tests = manifests.tree.files_of_components(TESTS)?;
    for render in &manifests.renders {
        for rule in render.of_kind("PrometheusRule") {
            if seen.iter().any(|it| it.get("/spec") == rule.get("/spec")) {
                continue;
            }
            seen.push(rule);
            examination.add(check(rule, &tests)?.within(&render.name));
        }
    }
    Ok(Outcome::of(examination, "files of rules and of tests"))
}

fn check(rule: &Object, tests: &[PathBuf]) -> Result<Examination, Error> {
    let folder = tempfile::tempdir().map_err(writing(std::env::temp_dir()))?;
    let file = folder.path().join("rules.yaml");
    // JSON is YAML.
    let groups = json!({"groups": rule.list("/spec/groups")}).to_string();
    fs::write(&file, groups).map_err(writing(&file))?;
    let mut examination = Examination::default();
    let cure = "promtool check rules says the same for spec.groups";
    examination.add(promtool(["check", "rules"], &file, rule, cure)?);
    for test in tests {
        let copy = folder.path().join(TESTS);
        let text = fs::read(test).map_err(reading(test))?;
        fs::write(&copy, text).map_err(writing(&copy))?;
        let cure = "the README of the component says how to run rules.test.yaml by hand";
        examination.add(promtool(["test", "rules"], &copy, rule, cure)?);
    }
    Ok(examination)
}

fn promtool(
    command: [&str; 2],
    file: &Path,
    rule: &Object,
    cure: &str,
) -> Result<Examination, Error> {
    let mut arguments = Vec::from(command.map(str::to_owned));
    let file = file.to_string_lossy().into_owned();
    arguments.push(file.clone());
    let output = PROMTOOL.run(&arguments, "")?;
    let mut examination = Examination::default();
    examination.subject();
    if !output.status.success() {
        // A test that fails says so on the standard output.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let said = said.replace(&file, "").trim().to_owned();
        let finding = Finding::in_file(rule.to_string(), said, cure);
        examination.findings.push(finding);
    }
    Ok(examination)
}
