//! The names in the certificates: what callers call a server by, and who a workload is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The DNS domain of a cluster, and its SPIFFE trust domain, unless somebody has changed them.
const CLUSTER: &str = "cluster.local";

/// The Services of the server in the manifests: the usual one, and the headless one that the client
/// balances over.
const SERVICES: [&str; 2] = ["user-server", "user-server-headless"];

/// A Kubernetes namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace(String);

/// The text cannot be the name of a namespace (RFC 1123).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 63 characters of a-z, 0-9 and -, neither first nor last a -")]
pub(crate) struct NotANamespace;

// === impl Namespace ===

impl Namespace {
    pub(super) fn parse(text: &str) -> Result<Self, NotANamespace> {
        let is_label = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        is_label.then(|| Self(text.to_owned())).ok_or(NotANamespace)
    }

    /// Every name that a server is called by: within its namespace, from others, and on a laptop.
    pub(super) fn server_names(&self) -> Vec<String> {
        let Self(namespace) = self;
        let of_service = |service: &str| {
            [
                service.to_owned(),
                format!("{service}.{namespace}"),
                format!("{service}.{namespace}.svc"),
                format!("{service}.{namespace}.svc.{CLUSTER}"),
            ]
        };
        let mut names: Vec<String> = SERVICES.into_iter().flat_map(of_service).collect();
        names.push("localhost".to_owned());
        names
    }

    /// The SPIFFE ID of a service account, as Istio and SPIRE make them.
    pub(super) fn spiffe_id(&self, account: &str) -> String {
        format!("spiffe://{CLUSTER}/ns/{}/sa/{account}", self.0)
    }
}

/// The addresses that a server is called by on a laptop.
pub(super) const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kubernetes_takes_is_a_namespace() {
        for text in ["default", "a", "shop-2"] {
            assert!(Namespace::parse(text).is_ok(), "{text}");
        }
        for text in ["", "-a", "a-", "A", "a.b", "a/b", &"a".repeat(64)] {
            assert_eq!(Namespace::parse(text), Err(NotANamespace), "{text}");
        }
    }
}
