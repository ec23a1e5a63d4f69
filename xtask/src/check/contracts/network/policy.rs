//! What NetworkPolicies let through, as the API defines it: a direction without a policy is open, and
//! with some it is open for what one of their rules names.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>

use serde_json::Value;

use crate::check::object::{Labels, Object, labels, list, matches, text};

/// The policies of one namespace.
pub(super) struct Policies<'a>(&'a [&'a Object]);

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A pod.
    Pod {
        /// The labels of its namespace.
        namespace: Labels,
        /// Its own.
        labels: Labels,
        /// Whether its namespace is that of the policies.
        is_own: bool,
    },
    /// An address outside of the cluster.
    Address([u8; 4]),
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) protocol: String,
}

// === impl Policies ===

impl<'a> Policies<'a> {
    pub(super) fn new(policies: &'a [&'a Object]) -> Self {
        Self(policies)
    }

    /// Whether `pod` may be reached by `from`.
    pub(super) fn ingress(&self, pod: &Peer, from: &Peer, port: &Port) -> bool {
        self.allows("Ingress", pod, from, port)
    }

    /// Whether `pod` may reach `to`.
    pub(super) fn egress(&self, pod: &Peer, to: &Peer, port: &Port) -> bool {
        self.allows("Egress", pod, to, port)
    }

    fn allows(&self, direction: &str, pod: &Peer, other: &Peer, port: &Port) -> bool {
        let (rules, peers) = match direction {
            "Ingress" => ("/spec/ingress", "/from"),
            _ => ("/spec/egress", "/to"),
        };
        let mut governing = self
            .0
            .iter()
            .filter(|it| governs(it, direction) && selects(it, pod))
            .peekable();
        governing.peek().is_none()
            || governing.any(|policy| {
                policy.list(rules).iter().any(|rule| {
                    let peers = list(rule, peers);
                    let ports = list(rule, "/ports");
                    (peers.is_empty() || peers.iter().any(|it| is_peer(it, other)))
                        && (ports.is_empty() || ports.iter().any(|it| is_port(it, port)))
                })
            })
    }
}

// === impl Peer ===

impl Peer {
    /// The labels of its namespace.
    pub(super) fn namespace(&self) -> Labels {
        match self {
            Self::Pod { namespace, .. } => namespace.clone(),
            Self::Address(_) => Labels::new(),
        }
    }
}

// === impl Port ===

impl Port {
    pub(super) fn new(number: u64, protocol: &str) -> Self {
        Self {
            name: String::new(),
            number,
            protocol: protocol.to_owned(),
        }
    }
}

fn governs(policy: &Object, direction: &str) -> bool {
    match policy.list("/spec/policyTypes") {
        // The default: Ingress always, Egress if there is a rule for it.
        [] => direction == "Ingress" || policy.get("/spec/egress").is_some(),
        types => types.iter().any(|it| it == direction),
    }
}

fn selects(policy: &Object, pod: &Peer) -> bool {
    match pod {
        Peer::Pod { labels, .. } => policy
            .get("/spec/podSelector")
            .is_some_and(|it| is_selected(it, labels)),
        Peer::Address(_) => false,
    }
}

fn is_peer(rule: &Value, peer: &Peer) -> bool {
    let pods = rule.get("podSelector");
    let namespaces = rule.get("namespaceSelector");
    match peer {
        Peer::Pod {
            namespace,
            labels,
            is_own,
        } => {
            (pods.is_some() || namespaces.is_some())
                && pods.is_none_or(|it| is_selected(it, labels))
                && namespaces.map_or(*is_own, |it| is_selected(it, namespace))
        }
        Peer::Address(address) => rule.get("ipBlock").is_some_and(|it| {
            let within = |cidr: &str| contains(cidr, *address).unwrap_or(false);
            let except = list(it, "/except").iter().filter_map(Value::as_str);
            text(it, "cidr").is_some_and(within) && !{ except }.any(within)
        }),
    }
}

fn is_port(rule: &Value, port: &Port) -> bool {
    let first = rule.get("port");
    text(rule, "protocol").unwrap_or("TCP") == port.protocol
        && match (first.and_then(Value::as_u64), first.and_then(Value::as_str)) {
            (Some(first), _) => {
                let last = rule.get("endPort").and_then(Value::as_u64).unwrap_or(first);
                (first..=last).contains(&port.number)
            }
            (None, Some(name)) => name == port.name,
            (None, None) => true,
        }
}

/// A label selector, with both of its forms.
fn is_selected(selector: &Value, of: &Labels) -> bool {
    let wanted = selector.get("matchLabels").map(labels).unwrap_or_default();
    matches(&wanted, of)
        && list(selector, "/matchExpressions").iter().all(|it| {
            let value = text(it, "key").and_then(|key| of.get(key));
            let listed = || {
                let values = list(it, "/values").iter().filter_map(Value::as_str);
                value.is_some_and(|value| { values }.any(|it| it == value))
            };
            match text(it, "operator") {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

/// Whether an address is within `a.b.c.d/n`; `None` when that is no such text.
fn contains(cidr: &str, address: [u8; 4]) -> Option<bool> {
    let (network, bits) = cidr.split_once('/')?;
    let network: std::net::Ipv4Addr = network.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Some(network.to_bits() & mask == u32::from_be_bytes(address) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_addresses_are_compared_by_their_bits() {
        assert_eq!(contains("0.0.0.0/0", [203, 0, 113, 1]), Some(true));
        assert_eq!(contains("203.0.113.0/24", [203, 0, 113, 1]), Some(true));
        assert_eq!(contains("203.0.113.1/32", [203, 0, 113, 2]), Some(false));
        assert_eq!(contains("2001:db8::/32", [203, 0, 113, 1]), None);
    }

    #[test]
    fn expressions_select_as_the_api_says() {
        let labels = Labels::from([("app".to_owned(), "shop".to_owned())]);
        for (operator, values, selected) in [
            ("In", "[shop]", true),
            ("In", "[other]", false),
            ("NotIn", "[shop]", false),
            ("NotIn", "[other]", true),
            ("Exists", "[]", true),
            ("DoesNotExist", "[]", false),
            ("Misspelt", "[]", false),
        ] {
            let yaml =
                format!("matchExpressions: [{{key: app, operator: {operator}, values: {values}}}]");
            let selector: Value = serde_saphyr::from_str(&yaml).unwrap();
            assert_eq!(is_selected(&selector, &labels), selected, "{yaml}");
        }
    }
}
