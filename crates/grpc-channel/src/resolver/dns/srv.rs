//! What SRV records (RFC 2782) say about where a service listens, as pure functions.
//!
//! A headless Service of Kubernetes has one such record for each ready pod and named port, so that
//! neither the port nor the number of addresses has to be known.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::{Name, RData, Record};

use crate::resolver::{Address, Endpoint};

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: Name,
}

/// The addresses of hosts.
pub(super) type Hosts = HashMap<Name, Vec<IpAddr>>;

/// The services among `records`, in groups of the same priority, the preferred group first. A target
/// of `.` says that there is no such service.
pub(super) fn by_priority<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Vec<Service>> {
    let mut groups: BTreeMap<u16, Vec<Service>> = BTreeMap::new();
    for record in records {
        if let RData::SRV(srv) = &record.data
            && !srv.target.is_root()
            && srv.port > 0
        {
            groups.entry(srv.priority).or_default().push(Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.clone(),
            });
        }
    }
    groups.into_values().collect()
}

/// The addresses that a server sent along, so that nobody has to ask for them.
pub(super) fn glue<'a>(records: impl IntoIterator<Item = &'a Record>) -> Hosts {
    let mut hosts = Hosts::new();
    for record in records {
        if let Some(ip) = record.data.ip_addr() {
            hosts.entry(record.name.clone()).or_default().push(ip);
        }
    }
    hosts
}

/// One endpoint for each address, in order. Two records for one address are one endpoint with the
/// weight of both. A weight of 0, which asks for "a very small chance", counts as 1.
pub(super) fn endpoints(services: &[Service], hosts: &Hosts) -> Vec<Endpoint> {
    let mut weights: BTreeMap<Address, u32> = BTreeMap::new();
    for service in services {
        let ips = hosts.get(&service.target).into_iter().flatten();
        let unique: std::collections::BTreeSet<&IpAddr> = ips.collect();
        for ip in unique {
            let address = SocketAddr::from((*ip, service.port)).into();
            let weight = weights.entry(address).or_default();
            *weight = weight.saturating_add(u32::from(service.weight).max(1));
        }
    }
    weights
        .into_iter()
        .map(|(address, weight)| Endpoint::new(address).with_weight(weight))
        .collect()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::SRV;
    use proptest::prelude::*;

    use super::*;

    fn host(number: u8) -> Name {
        format!("pod-{number}.echo.test.").parse().unwrap()
    }

    fn srv(priority: u16, weight: u16, port: u16, target: Name) -> Record {
        let name = "_grpc._tcp.echo.test.".parse().unwrap();
        let data = RData::SRV(SRV::new(priority, weight, port, target));
        Record::from_rdata(name, 5, data)
    }

    #[test]
    fn the_lowest_priority_comes_first_and_the_root_is_no_target() {
        let records = [
            srv(20, 1, 80, host(2)),
            srv(10, 1, 80, host(1)),
            srv(5, 1, 80, Name::root()),
            srv(10, 1, 81, host(3)),
        ];
        let groups = by_priority(&records);
        let ports: Vec<Vec<u16>> = groups
            .iter()
            .map(|group| group.iter().map(|service| service.port).collect())
            .collect();
        assert_eq!(ports, [vec![80, 81], vec![80]]);
        assert_eq!(groups[0][0].target, host(1));
    }

    #[test]
    fn records_for_one_address_are_one_endpoint_with_the_weight_of_all() {
        let ip: IpAddr = [10, 0, 0, 1].into();
        let hosts = Hosts::from([(host(1), vec![ip, ip]), (host(2), vec![ip])]);
        let groups = by_priority(&[srv(0, 3, 80, host(1)), srv(0, 0, 80, host(2))]);
        let endpoints = endpoints(&groups[0], &hosts);
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0].weight, 4, "0 counts as 1");
    }

    proptest! {
        #[test]
        fn every_address_of_a_target_is_an_endpoint_once_and_in_order(
            records in prop::collection::vec((0u16..3, any::<u16>(), 1u16..4, 0u8..6), 0..20),
            known in prop::collection::hash_map(0u8..6, prop::collection::vec(any::<[u8; 4]>(), 0..4), 0..6),
        ) {
            let hosts: Hosts = known
                .iter()
                .map(|(number, ips)| (host(*number), ips.iter().map(|ip| IpAddr::from(*ip)).collect()))
                .collect();
            let records: Vec<Record> = records
                .into_iter()
                .map(|(priority, weight, port, number)| srv(priority, weight, port, host(number)))
                .collect();
            for group in by_priority(&records) {
                prop_assert!(group.windows(2).all(|pair| pair[0].priority == pair[1].priority));
                let endpoints = endpoints(&group, &hosts);
                prop_assert!(endpoints.windows(2).all(|pair| pair[0].address < pair[1].address));
                prop_assert!(endpoints.iter().all(|endpoint| endpoint.weight > 0));
                for service in &group {
                    for ip in hosts.get(&service.target).into_iter().flatten() {
                        let address = Address::from(SocketAddr::from((*ip, service.port)));
                        prop_assert!(endpoints.iter().any(|endpoint| endpoint.address == address));
                    }
                }
            }
        }
    }
}
