//! Istio's objects name Services, subsets and identities in texts that nothing in the cluster checks:
//! a `VirtualService` for a host that does not exist is accepted, and does nothing.

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::object::{Labels, Object, labels, list, matches, show, text};
use crate::check::render::Render;

const NETWORKING: &str = "networking.istio.io";
const CURE: &str = "compare with the Services of the render, and with name-references.yaml";

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for rule in render.of(NETWORKING, "DestinationRule") {
        destination_rule(&mut examination, render, rule);
    }
    for service in render.of(NETWORKING, "VirtualService") {
        virtual_service(&mut examination, render, service);
    }
    for policy in render.of("security.istio.io", "AuthorizationPolicy") {
        authorization(&mut examination, render, policy);
    }
    examination
}

/// What a host means: a Service, or what a `ServiceEntry` brings into the mesh.
fn is_known(render: &Render, object: &Object, host: &str) -> bool {
    let mut entries = render.of(NETWORKING, "ServiceEntry");
    render.service(host, object.namespace()).is_some()
        || entries.any(|it| it.list("/spec/hosts").iter().any(|it| it == host))
}

fn destination_rule(examination: &mut Examination, render: &Render, rule: &Object) {
    let host = rule.text("/spec/host").unwrap_or_default();
    let problem = || format!("{host} is no Service of the render");
    examination.expect(
        is_known(render, rule, host),
        rule,
        "/spec/host",
        problem,
        CURE,
    );
    let Some(service) = render.service(host, rule.namespace()) else {
        return;
    };
    let pods: Vec<Labels> = render
        .behind(service)
        .iter()
        .map(super::super::pod::Pod::labels)
        .collect();
    for (index, subset) in rule.list("/spec/subsets").iter().enumerate() {
        let selector = subset.get("labels").map(labels).unwrap_or_default();
        examination.expect(
            pods.iter().any(|labels| matches(&selector, labels)),
            rule,
            &format!("/spec/subsets/{index}"),
            || format!("no pod behind {service} has {}", show(&selector)),
            "compare with the labels of the pods' templates: an empty subset answers 503",
        );
    }
}

fn virtual_service(examination: &mut Examination, render: &Render, service: &Object) {
    let gateways = service.list("/spec/gateways");
    // A host at the edge is a name of the world outside.
    if gateways.iter().all(|it| it == "mesh") {
        for host in service.list("/spec/hosts").iter().filter_map(Value::as_str) {
            let problem = || format!("{host} is no Service of the render");
            let known = is_known(render, service, host);
            examination.expect(known, service, "/spec/hosts", problem, CURE);
        }
    }
    for kind in ["http", "tls", "tcp"] {
        let place = format!("/spec/{kind}");
        for (index, rule) in service.list(&place).iter().enumerate() {
            let place = format!("{place}/{index}");
            let routed = list(rule, "/route")
                .iter()
                .filter_map(|it| it.get("destination"));
            let mirrored = list(rule, "/mirrors")
                .iter()
                .filter_map(|it| it.get("destination"));
            for destination in routed.chain(mirrored).chain(rule.get("mirror")) {
                route(examination, render, (service, &place), destination);
            }
            weights(examination, (service, &place), rule);
        }
    }
}

fn route(
    examination: &mut Examination,
    render: &Render,
    (object, place): (&Object, &str),
    destination: &Value,
) {
    let host = text(destination, "host").unwrap_or_default();
    let known = is_known(render, object, host);
    let problem = || format!("{host} is no Service of the render");
    examination.expect(known, object, place, problem, CURE);
    let service = render.service(host, object.namespace());
    if let (Some(service), Some(port)) = (service, destination.pointer("/port/number")) {
        let there = service
            .list("/spec/ports")
            .iter()
            .any(|it| it.get("port") == Some(port));
        let problem = || format!("{service} has no port {port}");
        examination.expect(there, object, place, problem, CURE);
    }
    if let Some(subset) = text(destination, "subset") {
        let of_host = |rule: &&Object| {
            let named = rule.text("/spec/host").unwrap_or_default();
            let other = render.service(named, rule.namespace());
            named == host || (other.is_some() && other == service)
        };
        let mut rules = render.of(NETWORKING, "DestinationRule").filter(of_host);
        let there = rules.any(|rule| {
            let subsets = rule.list("/spec/subsets");
            subsets.iter().any(|it| text(it, "name") == Some(subset))
        });
        let problem = || format!("no DestinationRule of {host} has a subset {subset}");
        let cure = "add the subset; Istio answers 503 for one that does not exist";
        examination.expect(there, object, place, problem, cure);
    }
}

/// Weights are shares of a hundred for whoever reads them.
fn weights(examination: &mut Examination, (object, place): (&Object, &str), rule: &Value) {
    let weight = |it: &Value| it.get("weight").and_then(Value::as_u64);
    let weights: Vec<u64> = list(rule, "/route").iter().filter_map(weight).collect();
    if weights.len() > 1 {
        let sum: u64 = weights.iter().sum();
        let problem = || format!("the weights add up to {sum}");
        examination.expect(sum == 100, object, place, problem, "let them add up to 100");
    }
}

/// The identities that a policy names are accounts of the render, in its own namespace.
fn authorization(examination: &mut Examination, render: &Render, policy: &Object) {
    for rule in policy.list("/spec/rules") {
        for from in list(rule, "/from") {
            for account in list(from, "/source/serviceAccounts")
                .iter()
                .filter_map(Value::as_str)
            {
                // The name alone is one of the policy's own namespace.
                let (namespace, account) = match account.split_once('/') {
                    Some((namespace, account)) => (Some(namespace), account),
                    None => (policy.namespace(), account),
                };
                let there = render.find("ServiceAccount", account).is_some();
                examination.expect(
                    there && namespace == policy.namespace(),
                    policy,
                    "/spec/rules",
                    || format!("{account} is no account of the render"),
                    "name a ServiceAccount, and let name-references.yaml know where it stands",
                );
            }
            for principal in list(from, "/source/principals")
                .iter()
                .filter_map(Value::as_str)
            {
                // trust-domain/ns/NAMESPACE/sa/ACCOUNT; a star stands for anything.
                let mut parts = principal.split('/').skip(2);
                let namespace = parts.next().unwrap_or_default();
                let account = parts.nth(1).unwrap_or_default();
                let there = account == "*" || render.find("ServiceAccount", account).is_some();
                let own = namespace == "*" || Some(namespace) == policy.namespace();
                examination.expect(
                    there && own,
                    policy,
                    "/spec/rules",
                    || format!("{principal} is no account of the render"),
                    "cluster.local/ns/NAMESPACE/sa/ACCOUNT, with this overlay's namespace",
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
    fn hosts_subsets_and_identities_that_are_there_hold() {
        assert_holds(examine);
    }

    #[test]
    fn every_name_can_lead_nowhere() {
        for (from, to, found) in [
            (
                "  host: user-server\n",
                "  host: server\n",
                "server is no Service",
            ),
            (
                "hosts: [user-server]",
                "hosts: [user-server.other.svc.cluster.local]",
                "is no Service",
            ),
            (
                "destination: {host: user-server, subset: v2",
                "destination: {host: server, subset: v2",
                "server is no Service",
            ),
            (
                "destination: {host: user-server, subset: v2",
                "destination: {host: user-server, subset: v3",
                "has a subset v3",
            ),
            (
                "{name: v1, labels: {version: v1}}",
                "{name: v1, labels: {version: 'one'}}",
                "has version=one",
            ),
            (
                "subset: v1, port: {number: 50051}",
                "subset: v1, port: {number: 80}",
                "has no port 80",
            ),
            ("weight: 90", "weight: 80", "add up to 90"),
            ("sa/user-client]", "sa/stranger]", "is no account"),
            ("ns/user-test/sa", "ns/user-plain/sa", "is no account"),
            (
                "serviceAccounts: [user-client]",
                "serviceAccounts: [stranger]",
                "stranger is no account",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }
}
