//! What every pod says about itself: no variables for every Service of the namespace, and a token of
//! the Kubernetes API only for who uses it.

pub(super) mod restricted;

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::object::text;
use crate::check::render::Render;

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for pod in render.pods() {
        let pointer = "/enableServiceLinks";
        examination.expect(
            pod.get(pointer) == Some(&Value::Bool(false)),
            pod.owner,
            &pod.pointer(pointer),
            || "expected false: a Service injects variables that look like settings".to_owned(),
            "enableServiceLinks: false",
        );
        let pointer = "/automountServiceAccountToken";
        let mounts = pod.get(pointer) != Some(&Value::Bool(false));
        let may = may_anything(render, pod.account());
        examination.expect(
            mounts == may,
            pod.owner,
            &pod.pointer(pointer),
            || match may {
                true => format!("the account {} has a role, and no token", pod.account()),
                false => format!(
                    "the account {} may do nothing with its token",
                    pod.account()
                ),
            },
            "automountServiceAccountToken: true where a RoleBinding names the account, else false",
        );
    }
    examination
}

/// Whether a role is bound to an account.
fn may_anything(render: &Render, account: &str) -> bool {
    ["RoleBinding", "ClusterRoleBinding"]
        .into_iter()
        .flat_map(|kind| render.of_kind(kind))
        .flat_map(|it| it.list("/subjects"))
        .any(|it| text(it, "kind") == Some("ServiceAccount") && text(it, "name") == Some(account))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn pods_that_want_nothing_injected_hold() {
        assert_holds(examine);
    }

    #[test]
    fn service_links_are_found() {
        let links = ("enableServiceLinks: false", "enableServiceLinks: true");
        assert_breaks(examine, &[links], "enableServiceLinks");
    }

    #[test]
    fn a_token_that_nobody_needs_is_found() {
        let token = ("automountServiceAccountToken: false", "paused: false");
        assert_breaks(examine, &[token], "may do nothing with its token");
    }

    #[test]
    fn a_role_without_a_token_is_found() {
        let role = "apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: endpointslices}
subjects: [{kind: ServiceAccount, name: user-client}]
roleRef: {kind: Role, name: endpointslices, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: v1
kind: Namespace";
        let bound = ("apiVersion: v1\nkind: Namespace", role);
        assert_breaks(examine, &[bound], "has a role, and no token");
    }
}
