//! Does the name resolve, to how many addresses, with what TTL?

use grpc_channel::resolver::{Resolution, ResolveError, Source};
use service_runtime::chain::Chain;

use super::finding::{Finding, Question};
use super::kubectl::Place;
use crate::output::{addresses, duration, printable};

const QUESTION: Question = Question::Name;

/// What the resolver's answer means.
#[must_use]
pub fn verdict(
    source: &Source,
    answer: &Result<Resolution, ResolveError>,
    place: Option<&Place>,
) -> Finding {
    match answer {
        Ok(answer) => found(source, answer),
        Err(error) => Finding::failed(QUESTION, words(error), next(error, source, place)),
    }
}

fn found(source: &Source, answer: &Resolution) -> Finding {
    let count = addresses(answer.endpoints.len());
    let asked = match source {
        Source::Target => {
            return Finding::passed(QUESTION, format!("{count}, by the target itself"));
        }
        Source::Dns { name, .. } | Source::Srv { name, .. } => {
            printable(answer.name.as_ref().unwrap_or(name)).into_owned()
        }
        other => other.to_string(),
    };
    let ttl = answer
        .ttl
        .map_or_else(String::new, |ttl| format!(", TTL {}", duration(ttl)));
    Finding::passed(QUESTION, format!("{asked} has {count}{ttl}"))
}

/// The error and its causes, on one line.
fn words(error: &dyn std::error::Error) -> String {
    printable(&Chain(error).to_string()).into_owned()
}

fn next(error: &ResolveError, source: &Source, place: Option<&Place>) -> Vec<String> {
    match (error, place) {
        (ResolveError::NoSuchName { .. }, Some(place)) => vec![
            format!(
                "is there such a Service, in that namespace? {}",
                place.get_service()
            ),
            format!(
                "has it a ready pod? a headless one without any has no name either: {}",
                place.get_endpoints()
            ),
        ],
        (ResolveError::NoAddresses { .. }, Some(place)) => vec![
            format!(
                "is a pod ready, and selected by the Service? {}",
                place.get_endpoints()
            ),
            format!("why not? {}", place.get_pods()),
        ],
        (ResolveError::NoSuchName { .. } | ResolveError::NoAddresses { .. }, None) => {
            vec![
                "is the name spelt right, and known where this runs? --target HOST:PORT".to_owned(),
            ]
        }
        _ => silent(source),
    }
}

fn silent(source: &Source) -> Vec<String> {
    let mut next = vec![
        "does the cluster's DNS run? kubectl get pods --namespace kube-system --selector k8s-app=kube-dns"
            .to_owned(),
        "do NetworkPolicies let this pod out to it, UDP and TCP port 53? kubectl get networkpolicies"
            .to_owned(),
    ];
    next.extend(match source {
        Source::Dns { server, .. } | Source::Srv { server, .. } => Some(match server {
            Some(server) => format!("is {server}, which the target names, the right server?"),
            None => "is the right server in /etc/resolv.conf?".to_owned(),
        }),
        Source::EndpointSlices { namespace, .. } => Some(format!(
            "may this pod list them? kubectl auth can-i list endpointslices --namespace {namespace}"
        )),
        _ => None,
    });
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn asked(error: ResolveError) -> Finding {
        let source = Source::Dns {
            name: "echo.default.svc.cluster.local.".to_owned(),
            server: None,
        };
        let place = Place::of(&source, &[]);
        verdict(&source, &Err(error), place.as_ref())
    }

    #[test]
    fn each_reason_leads_to_the_command_that_shows_more() {
        let name = "echo.default.svc.cluster.local.".to_owned();
        let within = std::time::Duration::from_secs(5);
        for (error, command) in [
            (
                ResolveError::NoSuchName { name: name.clone() },
                "kubectl get service echo --namespace default",
            ),
            (
                ResolveError::NoAddresses { name: name.clone() },
                "kubernetes.io/service-name=echo",
            ),
            (ResolveError::Timeout { name, within }, "k8s-app=kube-dns"),
        ] {
            let finding = asked(error);
            assert_eq!(finding.outcome, Outcome::Failed);
            let next = finding.next.join("\n");
            assert!(next.contains(command), "{command} is missing in:\n{next}");
        }
    }
}
