//! From the EndpointSlices of a Service to endpoints, as pure functions.
//!
//! A Service has as many slices as it needs, and a pod that moves from one to another stands in both
//! for a moment; whoever replaces the addresses slice by slice loses some. The whole is always made
//! of all slices.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::{Endpoint as Pod, EndpointSlice};
use kube::runtime::watcher::Event;

use super::Port;
use crate::resolver::Endpoint;

/// All slices of a Service, as far as the API server has told.
#[derive(Debug, Default)]
pub(super) struct View {
    slices: Slices,
    /// What a list that is not complete has brought.
    listing: Option<Slices>,
    /// Whether the watch broke since the last complete list.
    broken: bool,
    /// Whether the last list was empty and not believed.
    doubted: bool,
}

type Slices = BTreeMap<String, EndpointSlice>;

/// What an event means for the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// They may have changed.
    Changed,
    /// Not yet complete.
    Incomplete,
    /// The list is empty right after an error, though slices are known: list again before it is
    /// believed. API servers that start, or restore a backup, have answered so.
    Doubtful,
}

// === impl View ===

impl View {
    /// The watch broke; what it told is kept.
    pub(super) fn broke(&mut self) {
        self.listing = None;
        self.broken = true;
    }

    pub(super) fn apply(&mut self, event: Event<EndpointSlice>) -> Step {
        match event {
            Event::Init => {
                self.listing = Some(Slices::new());
                Step::Incomplete
            }
            Event::InitApply(slice) => {
                let listing = self.listing.get_or_insert_default();
                listing.insert(name(&slice), slice);
                Step::Incomplete
            }
            Event::InitDone => {
                let listing = self.listing.take().unwrap_or_default();
                let suspicious = self.broken && listing.is_empty() && !self.slices.is_empty();
                if suspicious && !self.doubted {
                    self.doubted = true;
                    return Step::Doubtful;
                }
                self.slices = listing;
                self.broken = false;
                self.doubted = false;
                Step::Changed
            }
            Event::Apply(slice) => {
                self.slices.insert(name(&slice), slice);
                Step::Changed
            }
            Event::Delete(slice) => {
                self.slices.remove(&name(&slice));
                Step::Changed
            }
        }
    }

    /// The pods that take calls, each once, in the order of their addresses.
    pub(super) fn endpoints(&self, port: &Port) -> Vec<Endpoint> {
        endpoints(self.slices.values(), port)
    }
}

fn name(slice: &EndpointSlice) -> String {
    slice.metadata.name.clone().unwrap_or_default()
}

/// The pods of all `slices` that take calls. A pod with addresses of both families is one endpoint,
/// at its IPv4 address.
fn endpoints<'a>(
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    port: &Port,
) -> Vec<Endpoint> {
    let mut pods: BTreeMap<PodKey, Endpoint> = BTreeMap::new();
    for slice in slices {
        let Some(port) = port_of(slice, port) else {
            continue;
        };
        for pod in slice.endpoints.iter().filter(|pod| takes_calls(pod)) {
            // All addresses of one entry are the same pod's, and the first is enough.
            let Some(ip) = pod.addresses.first().and_then(|ip| ip.parse().ok()) else {
                continue;
            };
            let endpoint = Endpoint::new(SocketAddr::new(ip, port)).with_zone(pod.zone.clone());
            match pods.entry(PodKey::of(pod, ip, port)) {
                Entry::Vacant(place) => drop(place.insert(endpoint)),
                // IPv4 addresses are less than IPv6 ones.
                Entry::Occupied(mut place) if endpoint.address < place.get().address => {
                    place.insert(endpoint);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    let mut endpoints: Vec<Endpoint> = pods.into_values().collect();
    endpoints.sort_by(|a, b| a.address.cmp(&b.address));
    endpoints.dedup_by(|a, b| a.address == b.address);
    endpoints
}

/// What tells one pod from another: its identity, or where that is not known its address.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum PodKey {
    Object { uid: String, port: u16 },
    Address(IpAddr, u16),
}

// === impl PodKey ===

impl PodKey {
    fn of(pod: &Pod, ip: IpAddr, port: u16) -> Self {
        match pod.target_ref.as_ref().and_then(|pod| pod.uid.clone()) {
            Some(uid) => Self::Object { uid, port },
            None => Self::Address(ip, port),
        }
    }
}

/// Whether a pod takes calls. The API says that what is not told counts as ready, and as not
/// terminating; `serving` tells about readiness where `publishNotReadyAddresses` makes everything
/// ready.
fn takes_calls(pod: &Pod) -> bool {
    let Some(conditions) = &pod.conditions else {
        return true;
    };
    conditions.ready.unwrap_or(true)
        && conditions.serving.unwrap_or(true)
        && !conditions.terminating.unwrap_or(false)
}

/// The port of a slice's pods; one by name may differ from slice to slice.
fn port_of(slice: &EndpointSlice, port: &Port) -> Option<u16> {
    let wanted = match port {
        Port::Number(number) => return Some(*number),
        Port::Name(name) => name,
    };
    let ports = slice.ports.iter().flatten();
    let tcp = |protocol: Option<&str>| protocol.is_none_or(|protocol| protocol == "TCP");
    ports
        .filter(|port| tcp(port.protocol.as_deref()))
        .find(|port| port.name.as_deref().unwrap_or_default() == wanted)
        .and_then(|port| u16::try_from(port.port?).ok())
        .filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::api::core::v1::ObjectReference;
    use k8s_openapi::api::discovery::v1::{EndpointConditions, EndpointPort};
    use proptest::prelude::*;

    use super::*;

    fn pod(ip: &str) -> Pod {
        Pod {
            addresses: vec![ip.to_owned()],
            ..Pod::default()
        }
    }

    fn slice(name: &str, pods: Vec<Pod>) -> EndpointSlice {
        let mut slice = EndpointSlice {
            endpoints: pods,
            ..EndpointSlice::default()
        };
        slice.metadata.name = Some(name.to_owned());
        slice
    }

    fn listed(view: &mut View, slices: impl IntoIterator<Item = EndpointSlice>) -> Step {
        view.apply(Event::Init);
        for slice in slices {
            view.apply(Event::InitApply(slice));
        }
        view.apply(Event::InitDone)
    }

    fn addresses(view: &View) -> Vec<String> {
        let endpoints = view.endpoints(&Port::Number(80));
        endpoints
            .iter()
            .map(|one| one.address.to_string())
            .collect()
    }

    #[test]
    fn a_pod_that_is_not_ready_or_terminates_is_left_out() {
        for (ready, serving, terminating, expected) in [
            (None, None, None, true),
            (Some(true), Some(true), Some(false), true),
            (Some(false), Some(false), Some(false), false),
            (Some(false), Some(true), Some(true), false),
            (Some(true), Some(true), Some(true), false),
            (Some(true), Some(false), Some(false), false),
        ] {
            let conditions = EndpointConditions {
                ready,
                serving,
                terminating,
            };
            let pod = Pod {
                conditions: Some(conditions.clone()),
                ..pod("10.0.0.1")
            };
            assert_eq!(takes_calls(&pod), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_named_port_is_looked_up_in_each_slice() {
        let with_port = |name, ip, number| {
            let mut slice = slice(name, vec![pod(ip)]);
            slice.ports = Some(vec![
                EndpointPort {
                    name: Some("metrics".to_owned()),
                    port: Some(9_090),
                    ..EndpointPort::default()
                },
                EndpointPort {
                    name: Some("grpc".to_owned()),
                    port: Some(number),
                    ..EndpointPort::default()
                },
            ]);
            slice
        };
        let mut view = View::default();
        let slices = [
            with_port("a", "10.0.0.1", 80),
            with_port("b", "10.0.0.2", 81),
            slice("c", vec![pod("10.0.0.3")]),
        ];
        listed(&mut view, slices);
        let endpoints = view.endpoints(&Port::Name("grpc".to_owned()));
        let addresses: Vec<String> = endpoints
            .iter()
            .map(|one| one.address.to_string())
            .collect();
        assert_eq!(addresses, ["10.0.0.1:80", "10.0.0.2:81"]);
    }

    #[test]
    fn a_pod_with_both_families_is_one_endpoint_and_keeps_its_zone() {
        let of_pod = |ip| Pod {
            target_ref: Some(ObjectReference {
                uid: Some("uid".to_owned()),
                ..ObjectReference::default()
            }),
            zone: Some("zone-a".to_owned()),
            ..pod(ip)
        };
        let mut view = View::default();
        let slices = [
            slice("six", vec![of_pod("2001:db8::1")]),
            slice("four", vec![of_pod("10.0.0.1")]),
        ];
        listed(&mut view, slices);
        assert_eq!(addresses(&view), ["10.0.0.1:80"]);
        let endpoints = view.endpoints(&Port::Number(80));
        assert_eq!(endpoints[0].zone.as_deref(), Some("zone-a"));
    }

    #[test]
    fn a_change_of_one_slice_leaves_the_others() {
        let mut view = View::default();
        let slices = [
            slice("a", vec![pod("10.0.0.1")]),
            slice("b", vec![pod("10.0.0.2")]),
        ];
        assert_eq!(listed(&mut view, slices), Step::Changed);
        let changed = slice("a", vec![pod("10.0.0.3"), pod("10.0.0.2")]);
        view.apply(Event::Apply(changed));
        assert_eq!(addresses(&view), ["10.0.0.2:80", "10.0.0.3:80"]);
        view.apply(Event::Delete(slice("a", Vec::new())));
        assert_eq!(addresses(&view), ["10.0.0.2:80"]);
    }

    #[test]
    fn an_empty_list_after_an_error_is_believed_when_it_comes_again() {
        let mut view = View::default();
        listed(&mut view, [slice("a", vec![pod("10.0.0.1")])]);
        view.broke();
        assert_eq!(listed(&mut view, []), Step::Doubtful);
        assert_eq!(addresses(&view), ["10.0.0.1:80"]);
        assert_eq!(listed(&mut view, []), Step::Changed);
        assert_eq!(addresses(&view), [""; 0]);
    }

    #[test]
    fn an_empty_list_without_an_error_is_believed_at_once() {
        let mut view = View::default();
        listed(&mut view, [slice("a", vec![pod("10.0.0.1")])]);
        assert_eq!(listed(&mut view, []), Step::Changed);
        assert_eq!(addresses(&view), [""; 0]);
    }

    #[test]
    fn a_list_that_breaks_off_changes_nothing() {
        let mut view = View::default();
        listed(&mut view, [slice("a", vec![pod("10.0.0.1")])]);
        view.apply(Event::Init);
        view.apply(Event::InitApply(slice("b", vec![pod("10.0.0.2")])));
        view.broke();
        assert_eq!(addresses(&view), ["10.0.0.1:80"]);
    }

    proptest! {
        #[test]
        fn every_ready_address_is_there_once_whatever_slice_it_is_in(
            pods in prop::collection::vec((0u8..4, 0u8..8, any::<bool>()), 0..30),
        ) {
            let mut slices: BTreeMap<u8, Vec<Pod>> = BTreeMap::new();
            let mut expected = BTreeSet::new();
            for (number, host, ready) in pods {
                let ip = format!("10.0.0.{host}");
                if ready {
                    expected.insert(format!("{ip}:80"));
                }
                let conditions = EndpointConditions { ready: Some(ready), ..EndpointConditions::default() };
                slices.entry(number).or_default().push(Pod { conditions: Some(conditions), ..pod(&ip) });
            }
            // One after the other as changes, or all at once as a list: the same addresses.
            let slices: Vec<EndpointSlice> =
                slices.into_iter().map(|(number, pods)| slice(&number.to_string(), pods)).collect();
            let (mut one, mut other) = (View::default(), View::default());
            listed(&mut one, slices.clone());
            for slice in slices {
                other.apply(Event::Apply(slice));
            }
            prop_assert_eq!(addresses(&one), expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(addresses(&one), addresses(&other));
        }
    }
}
