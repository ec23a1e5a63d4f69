//! Is the target's one address a Service's cluster IP, or another balancer, by mistake?
//!
//! Behind a cluster IP `kube-proxy` chooses a pod for each *connection*, and gRPC has one: all calls of
//! a client go to one pod. Two things give it away. The cluster's DNS knows an address of a Service
//! under the Service's own name (`service.namespace.svc…`), and that of a pod under a name below it;
//! and several connections to one address are answered by several replicas.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use grpc_channel::resolver::{Address, Endpoint, Source};
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};

use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::Probe;
use crate::load::{Call as _, ListCall};
use crate::output::printable;

const QUESTION: Question = Question::ClusterIp;

/// How many connections are made to the one address. With two replicas behind it, all of them reach
/// the same one in 1 of 128 cases.
const CONNECTIONS: usize = 8;

/// What is known of the one address.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The names that DNS has for it.
    pub names: Vec<String>,
    /// The replicas that answered, by `x-served-by`, each on a connection of its own.
    pub answered: BTreeSet<String>,
}

/// Whose address DNS says it is. Nothing within `patience`, or at all, is no name.
pub(super) async fn names(address: &Address, source: &Source, patience: Duration) -> Vec<String> {
    let server = match source {
        Source::Dns { server, .. } | Source::Srv { server, .. } => *server,
        _ => return Vec::new(),
    };
    let Address::Socket(address) = address else {
        return Vec::new();
    };
    let asked = reverse(address.ip(), server);
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(names)) => names,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn reverse(ip: IpAddr, server: Option<SocketAddr>) -> Result<Vec<String>, NetError> {
    let found = resolver(server)?.reverse_lookup(ip).await?;
    let names = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::PTR(name) => Some(name.to_string()),
            _ => None,
        });
    Ok(names.collect())
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => Resolver::builder_tokio()?,
        Some(server) => {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    // Kubernetes writes a pod's own address there, and knows better what it is.
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build()
}

/// Who answers at one address, each on a connection of its own.
pub(super) async fn answered(probe: &Probe<'_>, endpoint: &Endpoint) -> BTreeSet<String> {
    let calls = (0..CONNECTIONS).filter_map(|_| {
        let mut call = ListCall::new(probe.channel(endpoint).ok()?, probe.patience);
        Some(async move { call.call().await.served_by().map(str::to_owned) })
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// What it means. `facts` are there when there is one address; `mesh` is whether somebody else is to
/// balance, who then needs a cluster IP.
#[must_use]
pub fn verdict(
    source: &Source,
    addresses: usize,
    facts: Option<&Facts>,
    place: Option<&Place>,
    mesh: bool,
) -> Finding {
    let facts = match (source, facts) {
        (_, _) if addresses == 0 => return Finding::skipped(QUESTION, "there is no address"),
        (Source::Target, _) => return Finding::skipped(QUESTION, "no name is asked for"),
        (_, Some(facts)) if addresses == 1 => facts,
        _ => return Finding::passed(QUESTION, "no: the name has an address for each replica"),
    };
    let owner = facts.names.iter().find(|name| is_service(name));
    let several = facts.answered.len() > 1;
    if mesh && (owner.is_some() || several) {
        return Finding::passed(QUESTION, "yes, and the mesh balances behind it");
    }
    let next = || next(place);
    if let Some(owner) = owner {
        let owner = printable(owner.trim_end_matches('.'));
        return Finding::failed(
            QUESTION,
            format!("the one address is the cluster IP of {owner}: all calls go to one pod"),
            next(),
        );
    }
    if several {
        return Finding::failed(
            QUESTION,
            format!(
                "{} replicas answer behind the one address, a connection at a time: something there \
                 balances connections, and all calls of a client go to one replica",
                facts.answered.len()
            ),
            next(),
        );
    }
    if facts.names.iter().any(|name| is_pod(name)) {
        return Finding::passed(QUESTION, "no: the one address is that of a pod");
    }
    if facts.answered.is_empty() {
        return Finding::skipped(QUESTION, "nobody at the one address says who it is");
    }
    Finding::passed(QUESTION, "no: one address, and one replica behind it")
}

fn next(place: Option<&Place>) -> Vec<String> {
    let mut next = vec!["name the headless Service (clusterIP: None) as the target".to_owned()];
    next.extend(place.map(|place| format!("{} must show None as CLUSTER-IP", place.get_service())));
    next
}

/// Whether a name of the cluster's DNS is that of a Service itself, and not of a pod behind it.
fn is_service(name: &str) -> bool {
    name.split('.').nth(2) == Some("svc")
}

/// Whether it is that of a pod behind a Service.
fn is_pod(name: &str) -> bool {
    name.split('.').nth(3) == Some("svc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn verdict_of(names: &[&str], answered: &[&str], mesh: bool) -> Finding {
        let source = Source::Dns {
            name: "echo.default.svc.cluster.local.".to_owned(),
            server: None,
        };
        let facts = Facts {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            answered: answered.iter().map(|&name| name.to_owned()).collect(),
        };
        verdict(
            &source,
            1,
            Some(&facts),
            Place::of(&source, &[]).as_ref(),
            mesh,
        )
    }

    #[test]
    fn a_service_is_told_from_its_one_pod() {
        let service = "echo.default.svc.cluster.local.";
        let pod = "10-244-1-7.echo.default.svc.cluster.local.";
        assert_eq!(verdict_of(&[pod], &[], false).outcome, Outcome::Passed);
        let finding = verdict_of(&[service], &["a"], false);
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(
            finding.next[1].contains("kubectl get service echo"),
            "{finding:?}"
        );
    }

    #[test]
    fn a_balancer_that_dns_does_not_know_is_found_by_who_answers() {
        let finding = verdict_of(&[], &["a", "b"], false);
        assert_eq!(finding.outcome, Outcome::Failed);
        assert_eq!(verdict_of(&[], &["a"], false).outcome, Outcome::Passed);
        assert_eq!(verdict_of(&[], &["a", "b"], true).outcome, Outcome::Passed);
        assert_eq!(verdict_of(&[], &[], false).outcome, Outcome::Skipped);
    }
}
