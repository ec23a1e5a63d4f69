//! Is the sidecar of a service mesh in this pod, and does it balance as this client does?
//!
//! Two who balance undo each other's work: what this client sends to one pod by its address the sidecar
//! may pass through without the mesh's rules, refuse, or retry once more.

use super::finding::{Finding, Question};
use crate::sidecar::{Mesh, Place};

const QUESTION: Question = Question::Sidecar;

/// What it means that a sidecar was found, or was not, while `mesh` is what the settings say.
#[must_use]
pub fn verdict(found: Option<&Place>, mesh: bool) -> Finding {
    match (found, mesh) {
        (None, false) => Finding::passed(QUESTION, "none answers in this pod, and this client balances"),
        (Some(Place { mesh, .. }), true) => {
            Finding::passed(QUESTION, format!("{mesh}'s, and this client leaves balancing to it"))
        }
        (Some(Place { mesh, address, .. }), false) => Finding::failed(
            QUESTION,
            format!("{mesh}'s answers at {address}, and this client balances and retries as well"),
            vec![
                "leave it to the mesh: --mesh, and as the target the name of a Service with a cluster IP"
                    .to_owned(),
                format!("or keep the sidecar out of the pod: {}", out(*mesh)),
            ],
        ),
        // Istio's ambient mode and Cilium have none.
        (None, true) => Finding::skipped(
            QUESTION,
            "mesh is true, and no sidecar answers: in a mesh without sidecars that is right, in no mesh \
             all calls go to one pod",
        ),
    }
}

/// How a pod is kept out of a mesh.
const fn out(mesh: Mesh) -> &'static str {
    match mesh {
        Mesh::Istio => "label sidecar.istio.io/inject: \"false\"",
        Mesh::Linkerd => "annotation linkerd.io/inject: disabled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;
    use crate::sidecar::PLACES;

    #[test]
    fn one_of_the_two_must_balance_and_not_both() {
        for place in &PLACES {
            let both = verdict(Some(place), false);
            assert_eq!(both.outcome, Outcome::Failed);
            assert!(both.next[0].contains("--mesh"), "{both:?}");
            assert_eq!(verdict(Some(place), true).outcome, Outcome::Passed);
        }
        assert_eq!(verdict(None, false).outcome, Outcome::Passed);
        let unseen = verdict(None, true).outcome;
        assert_eq!(unseen, Outcome::Skipped, "not every mesh has sidecars");
    }
}
