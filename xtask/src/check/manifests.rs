//! The renders that the contracts look at: every overlay, every overlay with each component that it
//! does not have, and every overlay with other names.

use super::error::Error;
use super::finding::Finding;
use super::render::Render;
use super::tree::{DEV_CERTS, Plan, Rendered, Tree};

/// A prefix that nothing has by chance.
pub(crate) const PREFIX: &str = "zz-";

/// What a component cannot do without, of those that an overlay chooses between.
const NEEDS: [(&str, &str); 1] = [("mtls", "cert-manager")];

/// Components for some overlays only, as their READMEs say. Elsewhere they still render, and mean nothing,
/// or contradict what the overlay says.
const MEANT_FOR: [(&str, &[&str]); 9] = [
    ("canary-header", &["istio"]),
    ("fault-injection", &["istio"]),
    ("mirror", &["istio"]),
    ("multicluster-mesh", &["istio"]),
    // In a mesh the client does not look for replicas.
    ("endpointslice-watch", &["plain", "mtls", "mtls/dev-certs"]),
    ("linkerd", &["plain"]),
    ("mesh-client", &["plain"]),
    ("mtls", &["plain"]),
    ("multicluster", &["plain", "mtls", "mtls/dev-certs"]),
];

/// Components that an overlay has one of.
const ALTERNATIVES: [[&str; 2]; 2] = [
    // Both bring the same Secrets.
    ["cert-manager", DEV_CERTS],
    // Knative's proxy speaks cleartext to its containers, and has no certificate to show them.
    ["knative", "mtls"],
];

/// The manifests, rendered.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// What they were rendered from.
    pub(crate) tree: Tree,
    /// What was rendered, and what came of it.
    pub(crate) results: Vec<(Plan, Rendered)>,
    /// Those that have a meaning, and could be rendered.
    pub(crate) renders: Vec<Render>,
}

// === impl Manifests ===

impl Manifests {
    /// Renders all of them.
    pub(crate) fn render(tree: Tree) -> Result<Self, Error> {
        let plans = plans(&tree)?;
        let results = tree.render(&plans)?;
        let results: Vec<(Plan, Rendered)> = plans.into_iter().zip(results).collect();
        let mut renders = Vec::new();
        for (plan, result) in &results {
            if let Ok(yaml) = result
                && plan
                    .components
                    .iter()
                    .all(|it| is_meant_for(it, &plan.overlay))
            {
                renders.push(Render::parse(&plan.name(), yaml)?);
            }
        }
        Ok(Self {
            tree,
            results,
            renders,
        })
    }

    /// That there are renders of which nothing is known, if there are: whoever looks at the others must not
    /// say that all is well.
    pub(crate) fn unseen(&self) -> Option<Finding> {
        let failed = self.results.iter().filter(|(_, result)| result.is_err());
        let names: Vec<String> = failed.map(|(plan, _)| plan.name()).collect();
        let first = names.first()?;
        Some(Finding::in_file(
            format!("{} of {} renders", names.len(), self.results.len()),
            format!("nothing is known of what does not render, such as {first}"),
            "cargo xtask check renders says why",
        ))
    }

    /// The overlays as they are, as text.
    pub(crate) fn overlays(&self) -> impl Iterator<Item = (&Plan, &str)> {
        self.results
            .iter()
            .filter(|(plan, _)| plan.components.is_empty() && plan.prefix.is_none())
            .filter_map(|(plan, result)| Some((plan, result.as_deref().ok()?)))
    }
}

fn plans(tree: &Tree) -> Result<Vec<Plan>, Error> {
    let mut plans = Vec::new();
    for overlay in &tree.overlays {
        plans.push(Plan::overlay(overlay));
        // Certificates that are files already have the names that they were made for.
        if !tree.has(overlay)?.contains(DEV_CERTS) {
            plans.push(Plan {
                prefix: Some(PREFIX),
                ..Plan::overlay(overlay)
            });
        }
        for component in missing(tree, overlay)? {
            plans.push(Plan::with(overlay, &with_needs(component)));
        }
    }
    Ok(plans)
}

/// Whether a component has a meaning in an overlay.
fn is_meant_for(component: &str, overlay: &str) -> bool {
    let limited = MEANT_FOR.iter().find(|(it, _)| *it == component);
    limited.is_none_or(|(_, overlays)| overlays.contains(&overlay))
}

/// A component, with what its README says that it needs beside it.
fn with_needs(component: &str) -> Vec<&str> {
    let needs = NEEDS.iter().filter(|(it, _)| *it == component);
    let mut all = vec![component];
    all.extend(needs.map(|(_, needed)| *needed));
    all
}

/// Whether an overlay has at most one of the two.
pub(crate) fn are_alternatives(one: &str, other: &str) -> bool {
    let both = [one, other];
    ALTERNATIVES
        .iter()
        .any(|it| both == *it || both == [it[1], it[0]])
}

/// The components that an overlay does not have, and could have.
pub(crate) fn missing<'a>(tree: &'a Tree, overlay: &str) -> Result<Vec<&'a str>, Error> {
    let has = tree.has(overlay)?;
    let all = tree.components.iter().map(String::as_str);
    let fits =
        |it: &&str| !has.contains(*it) && !has.iter().any(|other| are_alternatives(it, other));
    Ok(all.filter(fits).collect())
}
