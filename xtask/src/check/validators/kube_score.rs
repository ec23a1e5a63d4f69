//! kube-score: good practice, with each exception and its reason in one place.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::error::Error;
use crate::check::finding::{Examination, Finding};
use crate::check::manifests::Manifests;
use crate::check::object::{list, text};
use crate::check::outcome::Outcome;
use crate::check::tool::KUBE_SCORE;

/// A grade from which on a test has passed.
const PASSED: u64 = 7;

/// What is not followed, and why.
struct Exception {
    /// The test's id.
    test: &'static str,
    /// The object that it is not followed for.
    object: &'static str,
    #[expect(dead_code, reason = "it is written for the reader of this table")]
    reason: &'static str,
}

/// What is about one object stands beside it, as its annotation `kube-score/ignore`. Here is what is
/// about an object that kustomize copies, and the annotation with it would be another one.
const EXCEPTIONS: [Exception; 3] = [
    Exception {
        test: "container-image-pull-policy",
        object: "Deployment/user-server-v2",
        reason: "as for the first version: the tag names a version, which does not move",
    },
    Exception {
        test: "pod-networkpolicy",
        object: "Deployment/user-server-v2",
        reason: "as for the first version: components/network-policy is a choice",
    },
    Exception {
        test: "deployment-replicas",
        object: "Deployment/user-server-v2",
        reason: "a canary: a tenth of the calls is less than what one replica takes",
    },
];

/// Scores every overlay.
pub(in super::super) fn run(manifests: &Manifests) -> Result<Outcome, Error> {
    if KUBE_SCORE.find().is_none() {
        return Ok(Outcome::Skipped(KUBE_SCORE.missing()));
    }
    let arguments = [
        "score",
        "--output-format",
        "json",
        // No limit for the CPU, as deployment.yaml explains; memory has one.
        "--ignore-container-cpu-limit",
        "-",
    ]
    .map(str::to_owned);
    let mut examination = Examination::default();
    let mut used = BTreeSet::new();
    for (plan, yaml) in manifests.overlays() {
        let output = KUBE_SCORE.run(&arguments, yaml)?;
        let answer = serde_json::from_slice(&output.stdout).map_err(|_| Error::Failed {
            program: KUBE_SCORE.name,
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })?;
        examination.add(read(&answer, &mut used).within(&plan.name()));
    }
    unused(&mut examination, &used);
    Ok(Outcome::of(examination, "scores"))
}

/// What has not passed; the exceptions that were needed are added to `used`.
fn read(answer: &Value, used: &mut BTreeSet<&'static str>) -> Examination {
    let mut examination = Examination::default();
    for object in answer.as_array().into_iter().flatten() {
        let of = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = of("/type_meta/kind").unwrap_or_default();
        let name = of("/object_meta/name").unwrap_or_default();
        let place = format!("{kind}/{name}");
        for check in list(object, "/checks") {
            if check.get("skipped") == Some(&Value::Bool(true)) {
                continue;
            }
            examination.subject();
            let grade = check.get("grade").and_then(Value::as_u64).unwrap_or(PASSED);
            if grade >= PASSED {
                continue;
            }
            let test = check.pointer("/check/id").and_then(Value::as_str);
            let test = test.unwrap_or_default();
            let exception = EXCEPTIONS
                .iter()
                .find(|it| it.test == test && it.object == place);
            if let Some(exception) = exception {
                used.insert(exception.test);
                continue;
            }
            for comment in list(check, "/comments") {
                let of = |field| text(comment, field).unwrap_or_default();
                let problem = format!("{test}: {} {}", of("summary"), of("path"));
                let cure = format!("{} (or an exception, with its reason)", of("description"));
                let finding = Finding::in_file(place.as_str(), problem.trim(), cure);
                examination.findings.push(finding);
            }
        }
    }
    examination
}

/// An exception that nothing needs hides what will need it one day.
fn unused(examination: &mut Examination, used: &BTreeSet<&str>) {
    for exception in &EXCEPTIONS {
        if !used.contains(exception.test) {
            let problem = format!("nothing needs the exception from {}", exception.test);
            let place = "xtask/src/check/validators/kube_score.rs";
            let finding = Finding::in_file(place, problem, "take it out");
            examination.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(kind: &str, test: &str, grade: u64) -> Value {
        json!([{
            "type_meta": {"kind": kind},
            "object_meta": {"name": "user-server-v2"},
            "checks": [{
                "check": {"id": test}, "grade": grade, "skipped": false,
                "comments": [{"path": "db", "summary": "is bad", "description": "make it good"}],
            }],
        }])
    }

    fn findings(answer: &Value) -> Vec<String> {
        let mut used = BTreeSet::new();
        let findings = read(answer, &mut used).findings;
        findings.into_iter().map(|it| it.problem).collect()
    }

    #[test]
    fn what_has_not_passed_is_found() {
        let found = findings(&answer("Deployment", "label-values", 5));
        assert_eq!(found, ["label-values: is bad db"]);
        assert!(findings(&answer("Deployment", "label-values", 7)).is_empty());
    }

    #[test]
    fn an_exception_is_one_for_its_own_object_only() {
        let test = "deployment-replicas";
        assert!(findings(&answer("Deployment", test, 1)).is_empty());
        assert_eq!(findings(&answer("StatefulSet", test, 1)).len(), 1);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_found() {
        let mut examination = Examination::default();
        unused(&mut examination, &BTreeSet::new());
        assert_eq!(examination.findings.len(), EXCEPTIONS.len());
    }
}
