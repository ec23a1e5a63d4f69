//! Selectors select something: a Service whose selector has a typing error is a name without
//! addresses, and nothing says so.

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::object::{Labels, Object, matches, show};
use crate::check::render::Render;

/// The kinds that select pods, and where. A NetworkPolicy may select what only another component brings.
const SELECTING: [(&str, &str); 6] = [
    ("Server", "/spec/podSelector/matchLabels"),
    ("Service", "/spec/selector"),
    ("PodDisruptionBudget", "/spec/selector/matchLabels"),
    ("PodMonitor", "/spec/selector/matchLabels"),
    ("PeerAuthentication", "/spec/selector/matchLabels"),
    ("AuthorizationPolicy", "/spec/selector/matchLabels"),
];

/// The workloads whose own selector has to be a part of their pods' labels.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

const CURE: &str = "compare with the labels of the pod's template; an overlay changes no selector";

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    let pods: Vec<Labels> = render.pods().map(|pod| pod.labels()).collect();
    for (kind, pointer) in SELECTING {
        for object in render.of_kind(kind) {
            let selector = object.labels(pointer);
            if !selector.is_empty() {
                examination.expect(
                    pods.iter().any(|labels| matches(&selector, labels)),
                    object,
                    pointer,
                    || format!("no pod of the render has {}", show(&selector)),
                    CURE,
                );
            }
        }
    }
    for pod in render.pods() {
        let own = pod.owner.labels("/spec/selector/matchLabels");
        if WORKLOADS.contains(&pod.owner.kind()) {
            examination.expect(
                !own.is_empty() && matches(&own, &pod.labels()),
                pod.owner,
                "/spec/selector",
                || format!("its own pods do not have {}", show(&own)),
                CURE,
            );
        }
        let spread = pod.owner.list(&pod.pointer("/topologySpreadConstraints"));
        for (index, constraint) in spread.iter().enumerate() {
            let selector = constraint.pointer("/labelSelector/matchLabels");
            let selector = selector
                .map(crate::check::object::labels)
                .unwrap_or_default();
            examination.expect(
                !selector.is_empty() && matches(&selector, &pod.labels()),
                pod.owner,
                &pod.pointer(&format!("/topologySpreadConstraints/{index}/labelSelector")),
                || "it counts other pods than those that it spreads".to_owned(),
                CURE,
            );
        }
    }
    for service in render.services() {
        ports(&mut examination, render, service);
    }
    for monitor in render.of_kind("ServiceMonitor") {
        let selector = monitor.labels("/spec/selector/matchLabels");
        let mut services = render.services();
        examination.expect(
            services.any(|it| matches(&selector, &it.labels("/metadata/labels"))),
            monitor,
            "/spec/selector",
            || format!("no Service of the render has {}", show(&selector)),
            "compare with the labels of the Service itself",
        );
    }
    examination
}

/// The ports of a Service are ports of its pods; behind a headless one they are the same numbers,
/// because DNS maps none.
fn ports(examination: &mut Examination, render: &Render, service: &Object) {
    let is_headless = service.text("/spec/clusterIP") == Some("None");
    let pods = render.behind(service);
    for (index, port) in service.list("/spec/ports").iter().enumerate() {
        let place = format!("/spec/ports/{index}");
        let number = port.get("port").unwrap_or(&Value::Null);
        let target = port.get("targetPort").unwrap_or(number);
        for pod in &pods {
            let declared: Vec<_> = pod.containers().flat_map(|it| it.ports()).collect();
            let found = declared.iter().find(|(name, it, _)| match target {
                Value::String(text) => name == text,
                _ => target.as_u64() == Some(*it),
            });
            examination.expect(
                found.is_some(),
                service,
                &place,
                || format!("{} has no port {target}", pod.owner),
                "name a port that stands in the pod's containers",
            );
            if let (true, Some((_, it, _))) = (is_headless, found) {
                examination.expect(
                    number.as_u64() == Some(*it),
                    service,
                    &place,
                    || {
                        format!(
                            "a headless name leads to {it} and not to {number}: DNS maps no ports"
                        )
                    },
                    "port and targetPort of a headless Service are the same",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn selectors_that_select_hold() {
        assert_holds(examine);
    }

    #[test]
    fn a_service_without_pods_is_found() {
        let typo = (
            "selector: {app: user-server}",
            "selector: {app: user-sever}",
        );
        assert_breaks(examine, &[typo], "no pod of the render has app=user-sever");
    }

    #[test]
    fn a_port_that_the_pods_lack_is_found() {
        let other = ("targetPort: grpc", "targetPort: http");
        assert_breaks(examine, &[other], "has no port \"http\"");
    }

    #[test]
    fn a_headless_service_that_maps_a_port_is_found() {
        let mapped = (
            "port: 50051, targetPort: 50051",
            "port: 80, targetPort: 50051",
        );
        assert_breaks(examine, &[mapped], "DNS maps no ports");
    }

    #[test]
    fn a_budget_of_no_pods_is_found() {
        let other = (
            "kind: PodDisruptionBudget\nmetadata: {name: user-server}\nspec: {selector: {matchLabels: {app: user-server}}",
            "kind: PodDisruptionBudget\nmetadata: {name: user-server}\nspec: {selector: {matchLabels: {app: server}}",
        );
        assert_breaks(examine, &[other], "PodDisruptionBudget/user-server");
    }
}
