//! NetworkPolicies let through what the settings ask for, and nothing else: every pod of the render is
//! tried with every port of every other one, and with strangers.

mod policy;

use std::collections::BTreeSet;

use self::policy::{Peer, Policies, Port};
use crate::check::dial::{self, By};
use crate::check::finding::Examination;
use crate::check::object::{Labels, Object, labels};
use crate::check::pod::Pod;
use crate::check::render::Render;

/// Where the cluster's DNS server runs, by the labels that every distribution gives it.
const DNS: [(&str, &str); 2] = [
    ("kubernetes.io/metadata.name", "kube-system"),
    ("k8s-app", "kube-dns"),
];

/// An address outside of the cluster, of those that are for documentation (RFC 5737).
const OUTSIDE: [u8; 4] = [203, 0, 113, 1];

const CURE: &str =
    "components/network-policy holds the policies; each rule names its peer and its port";

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    let objects: Vec<&Object> = render.of("networking.k8s.io", "NetworkPolicy").collect();
    if objects.is_empty() {
        return examination;
    }
    let policies = Policies::new(&objects);
    let namespaces = namespaces(render);
    let pods: Vec<(Pod<'_>, Peer)> = render
        .pods()
        .map(|pod| (pod, peer(pod, &namespaces)))
        .collect();
    let wanted = wanted(render);
    for (from, caller) in &pods {
        for (to, callee) in &pods {
            for port in ports(*to) {
                let is_wanted = wanted.contains(&(from.owner.name(), to.owner.name(), port.number));
                let is_allowed = policies.egress(caller, callee, &port)
                    && policies.ingress(callee, caller, &port);
                let show = || {
                    format!(
                        "from {} to port {} of {}",
                        from.owner, port.number, to.owner
                    )
                };
                let problem = || match is_wanted {
                    true => format!("no connection is let through {}", show()),
                    false => format!("a connection that nobody needs is let through {}", show()),
                };
                examination.expect(is_wanted == is_allowed, to.owner, "", problem, CURE);
            }
        }
        around(&mut examination, render, &policies, (*from, caller));
    }
    for (pod, callee) in &pods {
        strangers(&mut examination, &policies, (*pod, callee));
    }
    examination
}

/// What a pod may reach outside of the render: DNS if it asks for names, and the API if it may.
fn around(
    examination: &mut Examination,
    render: &Render,
    policies: &Policies<'_>,
    (pod, peer): (Pod<'_>, &Peer),
) {
    let dials: Vec<_> = pod
        .containers()
        .flat_map(|it| dial::of(render, &it))
        .collect();
    let dns = Peer::Pod {
        namespace: labels_of(&DNS[..1]),
        labels: labels_of(&DNS[1..]),
        is_own: false,
    };
    if !dials.is_empty() {
        for protocol in ["UDP", "TCP"] {
            let allowed = policies.egress(peer, &dns, &Port::new(53, protocol));
            let problem = || format!("{} cannot ask DNS over {protocol}", pod.owner);
            examination.expect(allowed, pod.owner, "", problem, CURE);
        }
    }
    let asks_api = dials.iter().any(|it| it.by == By::EndpointSlices);
    let outside = Peer::Address(OUTSIDE);
    let https = policies.egress(peer, &outside, &Port::new(443, "TCP"))
        || policies.egress(peer, &outside, &Port::new(6443, "TCP"));
    let problem = || match asks_api {
        true => format!("{} cannot reach the Kubernetes API", pod.owner),
        false => format!("{} reaches any address outside of the cluster", pod.owner),
    };
    examination.expect(https == asks_api, pod.owner, "", problem, CURE);
}

/// Who is in nobody's selector gets in nowhere.
fn strangers(
    examination: &mut Examination,
    policies: &Policies<'_>,
    (pod, callee): (Pod<'_>, &Peer),
) {
    let here = Peer::Pod {
        namespace: callee.namespace(),
        labels: Labels::new(),
        is_own: true,
    };
    let elsewhere = Peer::Pod {
        namespace: Labels::new(),
        labels: Labels::new(),
        is_own: false,
    };
    for (stranger, where_from) in [
        (here, "a stranger in its namespace"),
        (elsewhere, "a stranger in another namespace"),
        (Peer::Address(OUTSIDE), "an address outside of the cluster"),
    ] {
        for port in ports(pod) {
            let problem = || format!("{where_from} reaches port {}", port.number);
            let allowed = policies.ingress(callee, &stranger, &port);
            examination.expect(!allowed, pod.owner, "", problem, CURE);
        }
    }
}

/// The connections that the settings ask for: from, to, and the number of the port.
fn wanted(render: &Render) -> BTreeSet<(&str, &str, u64)> {
    let mut wanted = BTreeSet::new();
    for container in render.pods().flat_map(Pod::containers) {
        let owner = container.pod.owner;
        for dial in dial::of(render, &container) {
            let Some(service) = render.service(&dial.host, owner.namespace()) else {
                continue;
            };
            for pod in render.behind(service) {
                for port in service.list("/spec/ports") {
                    let number = port.get("port").and_then(serde_json::Value::as_u64);
                    if dial.port.is_some() && dial.port.map(u64::from) != number {
                        continue;
                    }
                    let target = port.get("targetPort").unwrap_or(&serde_json::Value::Null);
                    let target = match target {
                        serde_json::Value::String(name) => {
                            let mut ports = ports(pod).into_iter();
                            ports.find(|it| it.name == *name).map(|it| it.number)
                        }
                        target => target.as_u64().or(number),
                    };
                    wanted.extend(target.map(|it| (owner.name(), pod.owner.name(), it)));
                }
            }
        }
    }
    wanted
}

fn ports(pod: Pod<'_>) -> Vec<Port> {
    let all = pod.containers().flat_map(|it| it.ports());
    all.map(|(name, number, protocol)| Port {
        name: name.to_owned(),
        number,
        protocol: protocol.to_owned(),
    })
    .collect()
}

/// The labels of the namespaces that the render makes.
fn namespaces(render: &Render) -> Vec<(&str, Labels)> {
    render
        .of_kind("Namespace")
        .map(|it| {
            (
                it.name(),
                it.get("/metadata/labels").map(labels).unwrap_or_default(),
            )
        })
        .collect()
}

fn peer(pod: Pod<'_>, namespaces: &[(&str, Labels)]) -> Peer {
    let name = pod.owner.namespace().unwrap_or("default");
    let known = namespaces.iter().find(|(it, _)| *it == name);
    let mut namespace = known.map(|(_, labels)| labels.clone()).unwrap_or_default();
    // Kubernetes itself puts it there.
    namespace.insert(DNS[0].0.to_owned(), name.to_owned());
    Peer::Pod {
        namespace,
        labels: pod.labels(),
        is_own: true,
    }
}

fn labels_of(pairs: &[(&str, &str)]) -> Labels {
    let own = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    pairs.iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn policies_that_let_through_what_is_used_hold() {
        assert_holds(examine);
    }

    #[test]
    fn a_connection_that_is_needed_and_stopped_is_found() {
        for (from, to, found) in [
            (
                "- from: [{podSelector: {matchLabels: {app: user-client}}}]",
                "- from: [{podSelector: {matchLabels: {app: client}}}]",
                "no connection is let through from Deployment/user-client",
            ),
            (
                "- to: [{podSelector: {matchLabels: {app: user-server}}}]\n        ports: [{port: 50051}]",
                "- to: [{podSelector: {matchLabels: {app: user-server}}}]\n        ports: [{port: 50052}]",
                "to port 50051 of Deployment/user-server",
            ),
            (
                "{app: postgres}}}]\n        ports: [{port: 5432}]",
                "{app: postgres}}}]\n        ports: [{port: 5433}]",
                "to port 5432 of StatefulSet/postgres",
            ),
            (
                "{port: 53, protocol: UDP}",
                "{port: 54, protocol: UDP}",
                "cannot ask DNS over UDP",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }

    #[test]
    fn a_connection_that_nobody_needs_is_found() {
        for (from, to, found) in [
            (
                "- from: [{podSelector: {matchLabels: {app: user-client}}}]",
                "- from: [{podSelector: {}}]",
                "a stranger in its namespace reaches port 50051",
            ),
            (
                "- from: [{podSelector: {matchLabels: {app: user-client}}}]",
                "- from: [{namespaceSelector: {}}]",
                "a stranger in another namespace reaches port 50051",
            ),
            (
                "# server from client\n",
                "- {}\n",
                "an address outside of the cluster reaches port 9090",
            ),
            (
                "# client to server\n",
                "- to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n",
                "reaches any address outside",
            ),
            (
                "metadata: {name: default-deny}\nspec: {podSelector: {}",
                "metadata: {name: default-deny}\nspec: {podSelector: {matchLabels: {app: user-server}}",
                "StatefulSet/postgres reaches any address",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }

    #[test]
    fn without_policies_there_is_nothing_to_hold() {
        let none = ("kind: NetworkPolicy", "kind: Other");
        let render = super::super::fixture::broken(&[none]);
        assert_eq!(examine(&render), Examination::default());
    }
}
