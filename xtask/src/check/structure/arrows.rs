//! Who may depend on whom, as ARCHITECTURE.md draws it. Dev-dependencies are free: a test may know
//! more than what it tests.

use serde_json::Value;

use crate::check::finding::{Examination, Finding};
use crate::check::object::{list, text};

/// What each member may depend on, of the other members.
const ARROWS: [(&str, &[&str]); 6] = [
    ("user-api", &[]),
    ("user-server", &["user-api", "service-runtime"]),
    (
        "user-client",
        &["user-api", "grpc-channel", "service-runtime"],
    ),
    // grpc-channel for its features only: the demo then builds what the tests build.
    (
        "xtask",
        &[
            "user-server",
            "user-client",
            "service-runtime",
            "grpc-channel",
        ],
    ),
    ("grpc-channel", &[]),
    ("service-runtime", &[]),
];

/// Looks at what `cargo metadata --no-deps` says.
pub(in super::super) fn examine(metadata: &Value) -> Examination {
    let mut examination = Examination::default();
    for package in list(metadata, "/packages") {
        let name = text(package, "name").unwrap_or_default();
        let allowed = ARROWS.iter().find(|(it, _)| *it == name);
        for dependency in list(package, "/dependencies") {
            let on = text(dependency, "name").unwrap_or_default();
            let is_member = dependency.get("path").is_some_and(|it| !it.is_null());
            if !is_member || text(dependency, "kind") == Some("dev") {
                continue;
            }
            examination.subject();
            if !allowed.is_some_and(|(_, allowed)| allowed.contains(&on)) {
                let place = format!("{name}/Cargo.toml");
                let problem = format!("{name} depends on {on}");
                let cure = "move what it needs to where both may see it, or change ARCHITECTURE.md \
                            and the arrows of xtask/src/check/structure/arrows.rs";
                examination
                    .findings
                    .push(Finding::in_file(place, problem, cure));
            }
        }
    }
    examination
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(name: &str, on: &str, kind: Option<&str>) -> Value {
        json!({"packages": [{
            "name": name,
            "dependencies": [
                {"name": on, "path": "/somewhere", "kind": kind},
                {"name": "tokio", "kind": null},
            ],
        }]})
    }

    #[test]
    fn an_arrow_of_the_picture_holds() {
        let examination = examine(&metadata("user-server", "service-runtime", None));
        assert_eq!(examination.findings, []);
        assert_eq!(
            examination.subjects, 1,
            "what is no member is not looked at"
        );
    }

    #[test]
    fn any_other_arrow_is_found() {
        for (name, on) in [
            ("user-client", "user-server"),
            ("grpc-channel", "service-runtime"),
            ("service-runtime", "user-api"),
            ("stranger", "user-api"),
        ] {
            let found = examine(&metadata(name, on, None)).findings;
            assert_eq!(found.len(), 1, "{name} → {on}");
            assert_eq!(
                examine(&metadata(name, on, Some("build"))).findings.len(),
                1
            );
            assert_eq!(examine(&metadata(name, on, Some("dev"))).findings, []);
        }
    }
}
