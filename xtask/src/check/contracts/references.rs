//! Whatever is named is there: a name that leads nowhere is a pod that waits for ever for its volume,
//! and namePrefix is how such names come about.

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::object::{Object, list, text};
use crate::check::pod::Pod;
use crate::check::render::Render;

/// What is there although no render makes it.
const GIVEN: [&str; 3] = [
    // The cluster puts it into every namespace,
    "kube-root-ca.crt",
    // Istio does,
    "istio-ca-root-cert",
    // and this is the operator's: the certificate for a name of the world outside (components/gateway).
    "user-edge-tls",
];

const CURE: &str = "add the object, or mend the name; k8s/name-references.yaml tells kustomize where \
                    names stand";

pub(super) fn examine(render: &Render) -> Examination {
    let mut look = Look {
        render,
        examination: Examination::default(),
    };
    for pod in render.pods() {
        look.pod(pod);
    }
    for object in &render.objects {
        look.object(object);
    }
    look.examination
}

struct Look<'a> {
    render: &'a Render,
    examination: Examination,
}

// === impl Look ===

impl Look<'_> {
    fn needs(&mut self, owner: &Object, pointer: &str, kind: &str, name: Option<&str>) {
        let Some(name) = name else { return };
        let there = self.render.find(kind, name).is_some()
            || GIVEN.contains(&name)
            || (kind == "Secret" && self.is_issued(name));
        let problem = || format!("there is no {kind} {name}");
        self.examination
            .expect(there, owner, pointer, problem, CURE);
    }

    /// Whether cert-manager makes this Secret.
    fn is_issued(&self, secret: &str) -> bool {
        self.render
            .of("cert-manager.io", "Certificate")
            .any(|it| it.text("/spec/secretName") == Some(secret))
    }

    fn pod(&mut self, pod: Pod<'_>) {
        let owner = pod.owner;
        let place = pod.pointer("/serviceAccountName");
        if pod.account() != "default" {
            self.needs(owner, &place, "ServiceAccount", Some(pod.account()));
        }
        let place = pod.pointer("/volumes");
        for volume in owner.list(&place) {
            self.sources(owner, &place, volume);
            for source in list(volume, "/projected/sources") {
                self.sources(owner, &place, source);
            }
            let claim = volume.pointer("/persistentVolumeClaim/claimName");
            let claim = claim.and_then(Value::as_str);
            self.needs(owner, &place, "PersistentVolumeClaim", claim);
        }
        for container in pod.containers() {
            let place = container.at("/env");
            for variable in list(container.value, "/env") {
                let Some(from) = variable.get("valueFrom") else {
                    continue;
                };
                self.named(owner, &place, from, "configMapKeyRef", "ConfigMap", true);
                self.named(owner, &place, from, "secretKeyRef", "Secret", true);
            }
            for source in list(container.value, "/envFrom") {
                self.named(owner, &place, source, "configMapRef", "ConfigMap", false);
                self.named(owner, &place, source, "secretRef", "Secret", false);
            }
        }
    }

    /// The objects of a volume, or of a part of one.
    fn sources(&mut self, owner: &Object, place: &str, volume: &Value) {
        self.named(owner, place, volume, "configMap", "ConfigMap", false);
        self.named(owner, place, volume, "secret", "Secret", false);
    }

    fn named(
        &mut self,
        owner: &Object,
        place: &str,
        value: &Value,
        field: &str,
        kind: &str,
        has_key: bool,
    ) {
        let Some(reference) = value.get(field) else {
            return;
        };
        if reference.get("optional") == Some(&Value::Bool(true)) {
            return;
        }
        let name = text(reference, "name").or_else(|| text(reference, "secretName"));
        self.needs(owner, place, kind, name);
        let keys: Vec<&str> = match text(reference, "key") {
            Some(key) if has_key => vec![key],
            _ => {
                let items = list(reference, "/items").iter();
                items.filter_map(|it| text(it, "key")).collect()
            }
        };
        let data = name.and_then(|name| self.render.data(kind, name));
        for key in keys {
            if let (Some(data), Some(name)) = (&data, name) {
                let problem = || format!("{kind} {name} has no key {key}");
                let there = data.contains_key(key);
                self.examination.expect(there, owner, place, problem, CURE);
            }
        }
    }

    fn object(&mut self, object: &Object) {
        match (object.group(), object.kind()) {
            ("autoscaling", "HorizontalPodAutoscaler") => {
                let kind = object.text("/spec/scaleTargetRef/kind").unwrap_or_default();
                let name = object.text("/spec/scaleTargetRef/name");
                self.needs(object, "/spec/scaleTargetRef", kind, name);
            }
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                let kind = object.text("/roleRef/kind").unwrap_or_default();
                self.needs(object, "/roleRef", kind, object.text("/roleRef/name"));
                for subject in object.list("/subjects") {
                    if text(subject, "kind") == Some("ServiceAccount") {
                        let name = text(subject, "name");
                        self.needs(object, "/subjects", "ServiceAccount", name);
                    }
                }
            }
            ("cert-manager.io", "Certificate") => {
                let kind = object.text("/spec/issuerRef/kind").unwrap_or("Issuer");
                self.needs(
                    object,
                    "/spec/issuerRef",
                    kind,
                    object.text("/spec/issuerRef/name"),
                );
            }
            ("cert-manager.io", "Issuer" | "ClusterIssuer") => {
                let secret = object.text("/spec/ca/secretName");
                self.needs(object, "/spec/ca/secretName", "Secret", secret);
            }
            ("policy.linkerd.io", "AuthorizationPolicy") => {
                let kind = object.text("/spec/targetRef/kind").unwrap_or_default();
                let name = object.text("/spec/targetRef/name");
                self.needs(object, "/spec/targetRef", kind, name);
                let place = "/spec/requiredAuthenticationRefs";
                for reference in object.list(place) {
                    let kind = text(reference, "kind").unwrap_or_default();
                    self.needs(object, place, kind, text(reference, "name"));
                }
            }
            ("gateway.networking.k8s.io", "GRPCRoute" | "HTTPRoute") => self.route(object),
            ("gateway.networking.k8s.io", "Gateway") => {
                for listener in object.list("/spec/listeners") {
                    for reference in list(listener, "/tls/certificateRefs") {
                        let name = text(reference, "name");
                        self.needs(object, "/spec/listeners", "Secret", name);
                    }
                }
            }
            _ => {}
        }
    }

    fn route(&mut self, route: &Object) {
        for parent in route.list("/spec/parentRefs") {
            let kind = text(parent, "kind").unwrap_or("Gateway");
            self.needs(route, "/spec/parentRefs", kind, text(parent, "name"));
        }
        for rule in route.list("/spec/rules") {
            for backend in list(rule, "/backendRefs") {
                let kind = text(backend, "kind").unwrap_or("Service");
                self.needs(route, "/spec/rules", kind, text(backend, "name"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn a_render_that_has_all_that_it_names_holds() {
        assert_holds(examine);
    }

    #[test]
    fn every_reference_can_dangle() {
        for (from, to, found) in [
            (
                "configMap: {name: user-server-config}",
                "configMap: {name: config}",
                "no ConfigMap config",
            ),
            (
                "secretKeyRef: {name: user-server-database, key: url}",
                "secretKeyRef: {name: db, key: url}",
                "no Secret db",
            ),
            (
                "secretKeyRef: {name: user-server-database, key: url}",
                "secretKeyRef: {name: user-server-database, key: uri}",
                "no key uri",
            ),
            (
                "serviceAccountName: user-server",
                "serviceAccountName: server",
                "no ServiceAccount server",
            ),
            (
                "secretName: user-server-tls\n",
                "secretName: other\n",
                "no Secret user-server-tls",
            ),
            (
                "issuerRef: {name: user-ca}",
                "issuerRef: {name: ca}",
                "no Issuer ca",
            ),
            (
                "scaleTargetRef: {kind: Deployment, name: user-server",
                "scaleTargetRef: {kind: Deployment, name: frontend",
                "no Deployment frontend",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }

    #[test]
    fn what_is_optional_may_be_missing() {
        let optional = (
            "configMap: {name: user-server-config}",
            "configMap: {name: other, optional: true}",
        );
        let render = super::super::fixture::broken(&[optional]);
        assert_eq!(examine(&render).findings, []);
    }
}
