//! What the components of the mesh, and some that meet them, change: exactly what their `golden.diff` shows,
//! in any order, and with every name changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use similar::TextDiff;

use super::render::{objects, root, text};

/// The components, each with the overlay that it is made for.
const COMPONENTS: [(&str, &str); 9] = [
    ("canary-header", "istio"),
    ("fault-injection", "istio"),
    ("gateway", "plain"),
    ("knative", "plain"),
    ("linkerd", "plain"),
    ("mirror", "istio"),
    ("multicluster", "plain"),
    ("multicluster-mesh", "istio"),
    ("tracing", "plain"),
];

/// Set to write the files anew; what is written then is to be read before it is committed.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn each_component_changes_what_its_golden_file_shows() {
    let mut stale = Vec::new();
    for (component, overlay) in COMPONENTS {
        let (Some(without), Some(with)) = (text(overlay, &[], ""), text(overlay, &[component], ""))
        else {
            return;
        };
        let names = (overlay.to_owned(), format!("{overlay} + {component}"));
        let diff = TextDiff::from_lines(&without, &with)
            .unified_diff()
            .context_radius(3)
            .header(&names.0, &names.1)
            .to_string();
        let path = root().join(format!("kustomize/components/{component}/golden.diff"));
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, diff).unwrap();
        } else if changes(&fs::read_to_string(&path).unwrap_or_default()) != changes(&diff) {
            stale.push(format!("{component}:\n{diff}"));
        }
    }
    assert!(
        stale.is_empty(),
        "{UPDATE}=1 cargo test --package xtask --test it each_component\n{}",
        stale.join("\n")
    );
}

/// How much more often each line stands in a render with the component than without it.
///
/// Where in the render that is, is left to kustomize: it sorts objects and variables by their names, and the
/// service may have another one.
fn changes(diff: &str) -> BTreeMap<&str, i32> {
    let mut changes = BTreeMap::new();
    let is_header = |line: &&str| line.starts_with("--- ") || line.starts_with("+++ ");
    for line in diff.lines().filter(|it| !is_header(it)) {
        let (change, line) = match line.split_at_checked(1) {
            Some(("+", line)) => (1, line),
            Some(("-", line)) => (-1, line),
            _ => continue,
        };
        // The hash of a ConfigMap is that of its content, and its content has names in it.
        let line = line.split_once("-config-").map_or(line, |(name, _)| name);
        *changes.entry(line).or_default() += change;
    }
    changes.retain(|_, count| *count != 0);
    changes
}

#[test]
fn components_of_one_overlay_can_be_added_in_any_order() {
    let overlays: BTreeSet<&str> = COMPONENTS.iter().map(|it| it.1).collect();
    for overlay in overlays {
        let of_overlay = COMPONENTS.iter().filter(|it| it.1 == overlay);
        // A client in a mesh has one target; in a mesh over several clusters the mesh knows the others.
        let mut names: Vec<&str> = of_overlay
            .map(|it| it.0)
            .filter(|it| *it != "multicluster")
            .collect();
        let Some(forwards) = text(overlay, &names, "") else {
            return;
        };
        names.reverse();
        let backwards = text(overlay, &names, "").unwrap();
        let diff = TextDiff::from_lines(&forwards, &backwards);
        assert!(
            forwards == backwards,
            "{overlay} with {names:?} must not depend on their order:\n{}",
            diff.unified_diff()
        );
    }
}

#[test]
fn a_prefix_renames_every_host_account_and_reference() {
    const PREFIX: &str = "blue-";
    for (component, overlay) in COMPONENTS {
        let Some(objects) = objects(overlay, &[component], PREFIX) else {
            return;
        };
        let names = |kinds: &[&str]| -> BTreeSet<String> {
            let wanted = objects
                .iter()
                .filter(|it| kinds.contains(&it["kind"].as_str().unwrap()));
            let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
            wanted.map(name).collect()
        };
        let (services, accounts) = (
            names(&["Service", "ServiceEntry"]),
            names(&["ServiceAccount"]),
        );
        for object in &objects {
            for (path, name) in references(object) {
                let known = if path.contains("serviceAccounts") {
                    &accounts
                } else {
                    &services
                };
                assert!(
                    known.contains(&name),
                    "{overlay} + {component}: {} names {name:?} at {path}, and there are {known:?}",
                    object["kind"]
                );
            }
        }
    }
}

/// Where an object names Services or `ServiceAccounts`, and which.
fn references(object: &Value) -> Vec<(String, String)> {
    let spec = &object["spec"];
    let mut found = Vec::new();
    match object["kind"].as_str().unwrap() {
        "VirtualService" | "DestinationRule" | "AuthorizationPolicy" => {
            walk(
                spec,
                "spec",
                &["host", "hosts", "serviceAccounts"],
                &mut found,
            );
        }
        "GRPCRoute" | "HTTPRoute" => {
            for rule in spec["rules"].as_array().unwrap() {
                walk(&rule["backendRefs"], "backendRefs", &["name"], &mut found);
            }
        }
        _ => {}
    }
    found
}

/// Every text below one of these fields.
fn walk(value: &Value, path: &str, fields: &[&str], found: &mut Vec<(String, String)>) {
    let is_field = path.rsplit('.').any(|it| fields.contains(&it));
    match value {
        Value::String(text) if is_field => found.push((path.to_owned(), text.clone())),
        Value::Array(values) => {
            for value in values {
                walk(value, path, fields, found);
            }
        }
        Value::Object(values) => {
            for (name, value) in values {
                // What stands below a match is no reference.
                if name != "headers" {
                    walk(value, &format!("{path}.{name}"), fields, found);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_mesh_lets_the_client_call_every_method_of_the_contract_and_no_other() {
    let Some(objects) = objects("istio", &[], "") else {
        return;
    };
    let policy = objects
        .iter()
        .find(|it| it["kind"] == "AuthorizationPolicy");
    let paths = &policy.unwrap()["spec"]["rules"][0]["to"][0]["operation"]["paths"];
    let allowed: BTreeSet<&str> = paths
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .filter(|it| !it.starts_with("/grpc.health.v1.Health/"))
        .collect();
    let mut methods = Vec::new();
    for entry in fs::read_dir(root().join("user-api/proto/user/v1")).unwrap() {
        let proto = fs::read_to_string(entry.unwrap().path()).unwrap();
        let named = |keyword: &'static str| {
            let lines = proto
                .lines()
                .filter_map(move |it| it.trim().strip_prefix(keyword));
            lines.filter_map(|it| it.split(['(', ' ']).next())
        };
        for service in named("service ") {
            methods.extend(named("rpc ").map(|method| format!("/user.v1.{service}/{method}")));
        }
    }
    let served: BTreeSet<&str> = methods.iter().map(String::as_str).collect();
    assert_eq!(allowed, served);
}
