//! kubeconform, strict: every field of every object is one that its schema knows.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::check::error::Error;
use crate::check::finding::{Examination, Finding};
use crate::check::manifests::Manifests;
use crate::check::object::{list, text};
use crate::check::outcome::Outcome;
use crate::check::tool::KUBECONFORM;

/// Where the public schemas are: Kubernetes' own, which kubeconform knows, and those of the custom
/// resources.
const PUBLIC: [&str; 2] = [
    "default",
    "https://raw.githubusercontent.com/datreeio/CRDs-catalog/main/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
];

/// The same layout within a folder.
const LOCAL: [&str; 2] = [
    "kubernetes/{{.ResourceKind}}{{.KindSuffix}}.json",
    "crds/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
];

/// What kubeconform has said about one object.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Invalid,
    /// No schema could be had.
    Unknown,
}

/// Compares every object of every render with its schema, each text once.
pub(in super::super) fn run(
    manifests: &Manifests,
    schemas: Option<&Path>,
) -> Result<Outcome, Error> {
    if KUBECONFORM.find().is_none() {
        return Ok(Outcome::Skipped(KUBECONFORM.missing()));
    }
    // As kustomize has written them: what has been read would no longer show a boolean of YAML 1.1.
    let mut documents: BTreeMap<&str, &str> = BTreeMap::new();
    let names: Vec<String> = manifests
        .results
        .iter()
        .map(|(plan, _)| plan.name())
        .collect();
    for ((_, result), name) in manifests.results.iter().zip(&names) {
        for document in result.iter().flat_map(|it| it.split("\n---\n")) {
            documents.entry(document).or_insert(name);
        }
    }
    let mut arguments = Vec::from(["-strict", "-summary", "-output", "json"].map(str::to_owned));
    for location in locations(schemas) {
        arguments.extend(["-schema-location".to_owned(), location]);
    }
    let all: Vec<&str> = documents.keys().copied().collect();
    let output = KUBECONFORM.run(&arguments, &all.join("\n---\n"))?;
    let answer = serde_json::from_slice(&output.stdout).map_err(|_| Error::Failed {
        program: KUBECONFORM.name,
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })?;
    let found = read(&answer);
    let unknown = found
        .iter()
        .filter(|(verdict, _)| *verdict == Verdict::Unknown);
    let unknown = unknown.count();
    let is_public = schemas.is_none();
    let counts = ["valid", "invalid", "errors", "skipped"].map(|it| count(&answer, it));
    if counts.iter().sum::<usize>() != documents.len() {
        return Err(Error::Failed {
            program: KUBECONFORM.name,
            message: format!("it has counted {counts:?} of {} objects", documents.len()),
        });
    }
    let mut examination = Examination {
        subjects: documents.len(),
        findings: Vec::new(),
    };
    for (verdict, finding) in found {
        // Without a network there are no public schemas, which says nothing about the manifests.
        if verdict == Verdict::Invalid || !is_public {
            examination.findings.push(finding);
        }
    }
    if examination.findings.is_empty() && unknown > 0 {
        let count = documents.len();
        return Ok(Outcome::Skipped(format!(
            "the schemas of {unknown} of {count} objects cannot be fetched; --schemas DIR names a copy"
        )));
    }
    Ok(Outcome::of(examination, "objects"))
}

fn locations(schemas: Option<&Path>) -> Vec<String> {
    match schemas {
        None => PUBLIC.map(str::to_owned).into(),
        Some(folder) => LOCAL
            .iter()
            .map(|file| folder.join(file).to_string_lossy().into_owned())
            .collect(),
    }
}

/// How many objects of a kind kubeconform has counted.
fn count(answer: &Value, what: &str) -> usize {
    let count = answer.pointer(&format!("/summary/{what}"));
    let count = count.and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(count).unwrap_or(0)
}

/// The objects that are not valid, or that nothing is known about; kubeconform names no others.
fn read(answer: &Value) -> Vec<(Verdict, Finding)> {
    list(answer, "/resources")
        .iter()
        .map(|resource| {
            let of = |field| text(resource, field).unwrap_or_default();
            let verdict = if of("status") == "statusInvalid" {
                Verdict::Invalid
            } else {
                Verdict::Unknown
            };
            let place = format!("{}/{}", of("kind"), of("name"));
            // The address of the schema and what precedes it are of no use.
            let message = of("msg");
            let message = message.split_once("#' - ").map_or(message, |(_, it)| it);
            let cure = "kubectl explain shows the fields";
            (verdict, Finding::in_file(place, message, cure))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_read_with_its_reason() {
        let answer = json!({"resources": [
            {"kind": "Deployment", "name": "a", "status": "statusInvalid",
             "msg": "problem validating schema: 'file:///x.json#' - at '/spec': additional properties 'replicaz' not allowed"},
            {"kind": "Certificate", "name": "b", "status": "statusError", "msg": "could not find schema for Certificate"},
        ]});
        let found = read(&answer);
        assert_eq!(found[0].0, Verdict::Invalid);
        assert_eq!(found[0].1.place, "Deployment/a");
        assert_eq!(
            found[0].1.problem,
            "at '/spec': additional properties 'replicaz' not allowed"
        );
        assert_eq!(found[1].0, Verdict::Unknown);
    }

    #[test]
    fn a_folder_takes_the_place_of_the_public_schemas() {
        let local = locations(Some(Path::new("/schemas")));
        assert!(
            local.iter().all(|it| it.starts_with("/schemas/")),
            "{local:?}"
        );
        assert_eq!(locations(None)[0], "default");
    }
}
