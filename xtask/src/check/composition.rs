//! Overlays and components fit together: each render works, components commute, and another prefix
//! reaches every name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::Error;
use super::finding::{Examination, Finding};
use super::manifests::{Manifests, PREFIX, are_alternatives, missing};
use super::render::Render;
use super::tree::{Plan, Rendered};

/// Objects whose names are not an overlay's to change.
const FIXED: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

/// Lists whose order has a meaning, although their items are objects.
const ORDERED: [&str; 4] = ["initContainers", "http", "rules", "steps"];

/// Every overlay, and every overlay with a component, renders.
pub(crate) fn renders(manifests: &Manifests) -> Examination {
    let mut examination = Examination::default();
    for (plan, result) in &manifests.results {
        examination.subject();
        if let Err(message) = result {
            examination.findings.push(failed(plan, message));
        }
    }
    examination
}

/// Two components give the same in both orders.
///
/// All components of an overlay one after the other, and the other way round, are every pair in both
/// orders. Only where that differs, or does not render, each pair is tried by itself.
pub(crate) fn commute(manifests: &Manifests) -> Result<Examination, Error> {
    let tree = &manifests.tree;
    let mut examination = Examination::default();
    for overlay in &tree.overlays {
        let mut forwards: Vec<&str> = Vec::new();
        for component in missing(tree, overlay)? {
            if !forwards.iter().any(|it| are_alternatives(it, component)) {
                forwards.push(component);
            }
        }
        if forwards.len() < 2 {
            continue;
        }
        let mut backwards = forwards.clone();
        backwards.reverse();
        let plans = [
            Plan::with(overlay, &forwards),
            Plan::with(overlay, &backwards),
        ];
        let found = try_both(manifests, &plans)?;
        if found.findings.is_empty() {
            examination.subjects += forwards.len() * (forwards.len() - 1) / 2;
        } else {
            examination.add(try_both(manifests, &pairs(overlay, &forwards))?);
        }
    }
    Ok(examination)
}

/// Every pair in both orders, one after the other.
fn pairs(overlay: &str, components: &[&str]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (index, one) in components.iter().enumerate() {
        for other in &components[index + 1..] {
            plans.push(Plan::with(overlay, &[one, other]));
            plans.push(Plan::with(overlay, &[other, one]));
        }
    }
    plans
}

/// Renders plans that stand beside each other, and compares the two.
fn try_both(manifests: &Manifests, plans: &[Plan]) -> Result<Examination, Error> {
    let results = manifests.tree.render(plans)?;
    let mut examination = Examination::default();
    for (plans, results) in plans.chunks_exact(2).zip(results.chunks_exact(2)) {
        examination.subject();
        if let Some(finding) = compare((&plans[0], &plans[1]), (&results[0], &results[1]))? {
            examination.findings.push(finding);
        }
    }
    Ok(examination)
}

/// Every name of a render with a prefix has it. That no reference dangles is what the contracts see.
pub(crate) fn prefixed(manifests: &Manifests) -> Examination {
    let mut examination = Examination::default();
    let renders = manifests.renders.iter();
    for render in renders.filter(|it| it.name.ends_with(PREFIX)) {
        for object in &render.objects {
            if FIXED.contains(&object.kind()) {
                continue;
            }
            examination.expect(
                object.name().starts_with(PREFIX),
                object,
                "/metadata/name",
                || format!("namePrefix {PREFIX} did not reach the name"),
                "let kustomize see the name: no hand-written one in a generated text",
            );
        }
    }
    examination
}

fn compare(
    (plan, swapped): (&Plan, &Plan),
    (one, other): (&Rendered, &Rendered),
) -> Result<Option<Finding>, Error> {
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) if one == other => return Ok(None),
        (Ok(one), Ok(other)) => (one, other),
        (Err(message), _) => return Ok(Some(failed(plan, message))),
        (_, Err(message)) => return Ok(Some(failed(swapped, message))),
    };
    let name = plan.name();
    let one = objects(&Render::parse(&name, one)?);
    let other = objects(&Render::parse(&name, other)?);
    let all: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differing = all.into_iter().filter(|it| one.get(*it) != other.get(*it));
    let differing: Vec<&str> = differing.map(String::as_str).collect();
    Ok((!differing.is_empty()).then(|| {
        Finding::in_file(
            name,
            format!("the order of the two changes {}", differing.join(", ")),
            "let each component add to what it finds, and replace nothing that another one sets",
        )
    }))
}

/// The objects by kind and name, without the order that has no meaning.
fn objects(render: &Render) -> BTreeMap<String, Value> {
    let objects = render.objects.iter();
    objects
        .map(|it| (it.to_string(), unordered(it.value(), "")))
        .collect()
}

fn unordered(value: &Value, field: &str) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), unordered(value, name)))
            .collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|it| unordered(it, "")).collect();
            if !ORDERED.contains(&field) && items.iter().all(Value::is_object) {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        value => value.clone(),
    }
}

fn failed(plan: &Plan, message: &str) -> Finding {
    Finding::in_file(
        plan.name(),
        format!("does not render: {message}"),
        "kubectl kustomize says the same for the overlay with this line under components",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(one: &str, other: &str) -> Option<String> {
        let plans = (
            Plan::with("plain", &["a", "b"]),
            Plan::with("plain", &["b", "a"]),
        );
        let results = (Ok(one.to_owned()), Ok(other.to_owned()));
        let finding = compare((&plans.0, &plans.1), (&results.0, &results.1)).unwrap();
        finding.map(|it| it.problem)
    }

    #[test]
    fn lists_of_named_things_have_no_order() {
        let one = "kind: Pod\nmetadata: {name: a}\nspec: {volumes: [{name: x}, {name: y}]}";
        let other = "kind: Pod\nmetadata: {name: a}\nspec: {volumes: [{name: y}, {name: x}]}";
        assert_eq!(compared(one, other), None);
    }

    #[test]
    fn a_difference_is_found_with_its_object() {
        let one = "kind: Pod\nmetadata: {name: a}\nspec: {initContainers: [{name: x}, {name: y}]}";
        let other =
            "kind: Pod\nmetadata: {name: a}\nspec: {initContainers: [{name: y}, {name: x}]}";
        assert_eq!(
            compared(one, other).as_deref(),
            Some("the order of the two changes Pod/a")
        );
        let more = format!("{one}\n---\nkind: Service\nmetadata: {{name: b}}");
        assert_eq!(
            compared(one, &more).as_deref(),
            Some("the order of the two changes Service/b")
        );
    }

    #[test]
    fn a_render_that_fails_is_found_in_either_order() {
        let plans = (
            Plan::with("plain", &["a", "b"]),
            Plan::with("plain", &["b", "a"]),
        );
        let failed = Err("no matches for Id".to_owned());
        let finding = compare((&plans.0, &plans.1), (&Ok(String::new()), &failed));
        let finding = finding.unwrap().unwrap();
        assert_eq!(finding.place, "plain + b + a");
        assert!(finding.problem.contains("no matches for Id"));
    }
}
