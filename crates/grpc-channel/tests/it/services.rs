//! SRV records: hosts and ports that nobody has to know.

use std::collections::BTreeMap;
use std::time::Duration;

use grpc_channel::Builder;

use crate::dns::{Answer, Server, Service};
use crate::echo::{Client, Method};
use crate::load::burst;
use crate::loss::BACKOFF;
use crate::replica::{Replica, builder, ready};
use crate::{bounded, wait_until};

const NAME: &str = "_grpc._tcp.echo.test.";

fn to_services(dns: &Server) -> Builder {
    let (min, max) = (Duration::from_millis(50), Duration::from_millis(100));
    builder(dns.srv_target(NAME))
        .dns_interval(min, max)
        .dns_timeout(Duration::from_millis(500))
        .backoff(BACKOFF)
}

/// Replicas that differ by address and by port.
async fn replicas<const N: usize>() -> [Replica; N] {
    let mut replicas: [Replica; N] = std::array::from_fn(|_| Replica::new());
    for (port, replica) in (50_061..).zip(&mut replicas) {
        replica.address.set_port(port);
        replica.start().await;
    }
    replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_is_a_replica_with_a_port_of_its_own() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let dns = Server::start().await;
        let names = ["a.echo.test.", "b.echo.test.", "c.echo.test."];
        let services = |count| {
            let pairs = names.into_iter().zip(&replicas).take(count);
            pairs.map(|(name, replica)| Service::at(name, replica.address))
        };
        dns.serve(services(2));
        let channel = to_services(&dns).connect().unwrap();
        ready(&channel, 2).await;
        dns.serve(services(3));
        ready(&channel, 3).await;
        let tally = burst(&channel, Method::Add, 3, 300).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [100; 3]);
        let authority = &replicas[0].seen()[0].authority;
        assert_eq!(authority, "echo.test", "the records belong to this name");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_come_along_are_not_asked_for() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        let names = ["a.echo.test.", "b.echo.test."];
        dns.serve(names.into_iter().zip(&replicas).map(|(name, replica)| {
            let glue = true;
            Service {
                glue,
                ..Service::at(name, replica.address)
            }
        }));
        let channel = to_services(&dns).connect().unwrap();
        ready(&channel, 2).await;
        assert_eq!(dns.queries(), 0, "no address was asked for");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_less_preferred_record_is_used_only_when_the_others_lead_nowhere() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        let [first, second] = replicas.each_ref().map(|replica| replica.address);
        let preferred = Service::at("a.echo.test.", first);
        let other = Service {
            priority: 10,
            ..Service::at("b.echo.test.", second)
        };
        dns.serve([preferred.clone(), other.clone()]);
        let channel = to_services(&dns).connect().unwrap();
        let addresses = || -> Vec<_> {
            let subchannels = channel.stats().subchannels;
            subchannels.into_iter().map(|one| one.address).collect()
        };
        ready(&channel, 1).await;
        assert_eq!(addresses(), [first.into()]);
        let gone = Service {
            address: None,
            ..preferred
        };
        dns.serve([gone, other]);
        wait_until("the other record is used", || {
            addresses() == [second.into()]
        })
        .await;
        Client::new(&channel).call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_vanish_leave_the_addresses_that_were_known() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        let names = ["a.echo.test.", "b.echo.test."];
        let pairs = || names.into_iter().zip(&replicas);
        dns.serve(pairs().map(|(name, replica)| Service::at(name, replica.address)));
        let channel = to_services(&dns).connect().unwrap();
        ready(&channel, 2).await;
        let error = || channel.stats().resolve_error.map(|error| error.to_string());
        dns.serve([]);
        dns.answer(Answer::Empty);
        wait_until("the records are gone", || {
            error().is_some_and(|said| said.contains("has no addresses"))
        })
        .await;
        dns.answer(Answer::Silence);
        wait_until("the server is silent", || {
            error().is_some_and(|said| said.contains("no DNS server answered"))
        })
        .await;
        let tally = burst(&channel, Method::Add, 2, 100).await;
        let expected: BTreeMap<_, _> = replicas.iter().map(|one| (one.name.clone(), 50)).collect();
        assert_eq!(tally.answered, expected);
    })
    .await;
}
