//! What a sweep does, replica by replica.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn by_failures() -> OutlierDetection {
    OutlierDetection {
        failure_percentage: Some(FailurePercentage {
            minimum_hosts: 1,
            request_volume: 10,
            ..FailurePercentage::default()
        }),
        max_ejection_percent: 50,
        ..OutlierDetection::default()
    }
}

fn by_rate() -> OutlierDetection {
    OutlierDetection {
        success_rate: Some(SuccessRate::default()),
        ..OutlierDetection::default()
    }
}

/// Hosts of which each had 100 calls, so many of them failed.
fn hosts(failures: &[u64]) -> Vec<Host> {
    let mut hosts = vec![Host::default(); failures.len()];
    call(&mut hosts, failures);
    hosts
}

/// A hundred more calls on each, so many of them failed.
fn call(hosts: &mut [Host], failures: &[u64]) {
    for (host, failed) in hosts.iter_mut().zip(failures) {
        let seen = host.seen;
        host.count(Volume {
            succeeded: seen.succeeded + 100 - failed,
            failed: seen.failed + failed,
        });
    }
}

/// No call since the last sweep.
fn be_idle(host: &mut Host) {
    host.count(host.seen);
}

fn sweep_all(config: &OutlierDetection, hosts: &mut [Host], now: Instant) -> Vec<bool> {
    let mut all: Vec<&mut Host> = hosts.iter_mut().collect();
    sweep(config, &mut all, now, || 0);
    hosts.iter().map(Host::is_ejected).collect()
}

#[test]
fn a_replica_that_fails_more_than_the_threshold_is_ejected() {
    let mut hosts = hosts(&[0, 86, 85]);
    let ejected = sweep_all(&by_failures(), &mut hosts, Instant::now());
    assert_eq!(
        ejected,
        [false, true, false],
        "85 percent are still allowed"
    );
}

#[test]
fn too_few_calls_are_not_judged() {
    let mut hosts = hosts(&[0, 0]);
    hosts[1].count(Volume {
        succeeded: 100,
        failed: 9,
    });
    let ejected = sweep_all(&by_failures(), &mut hosts, Instant::now());
    assert_eq!(ejected, [false, false]);
}

#[test]
fn only_what_happened_since_the_last_sweep_counts() {
    let (config, now) = (by_failures(), Instant::now());
    let mut hosts = hosts(&[0, 80]);
    sweep_all(&config, &mut hosts, now);
    call(&mut hosts, &[0, 90]);
    assert_eq!(sweep_all(&config, &mut hosts, now), [false, true]);
}

#[test]
fn a_success_rate_far_below_the_others_is_an_outlier() {
    let mut bad = hosts(&[1, 0, 1, 0, 60, 0, 1, 0, 1, 0]);
    let ejected = sweep_all(&by_rate(), &mut bad, Instant::now());
    assert_eq!(ejected.iter().position(|ejected| *ejected), Some(4));
    assert_eq!(ejected.iter().filter(|ejected| **ejected).count(), 1);

    let mut alike = hosts(&[60; 10]);
    let ejected = sweep_all(&by_rate(), &mut alike, Instant::now());
    assert_eq!(
        ejected, [false; 10],
        "when all fail alike, none is an outlier"
    );

    let mut few = hosts(&[0, 0, 0, 100]);
    let ejected = sweep_all(&by_rate(), &mut few, Instant::now());
    assert_eq!(ejected, [false; 4], "four replicas are fewer than five");
}

#[test]
fn an_ejection_ends_and_the_next_one_is_longer() {
    let config = by_failures();
    let base = config.base_ejection_time;
    let mut now = Instant::now();
    let mut hosts = hosts(&[0, 100]);
    for times in 1..=3 {
        call(&mut hosts, &[0, 100]);
        assert_eq!(sweep_all(&config, &mut hosts, now), [false, true]);
        // Nothing is sent to an ejected replica.
        be_idle(&mut hosts[1]);
        let almost = now + base * times - Duration::from_millis(1);
        assert_eq!(
            sweep_all(&config, &mut hosts, almost),
            [false, true],
            "{times}"
        );
        now += base * times;
        assert_eq!(
            sweep_all(&config, &mut hosts, now),
            [false, false],
            "{times}"
        );
    }
    for _ in 0..3 {
        call(&mut hosts, &[0, 0]);
        sweep_all(&config, &mut hosts, now);
    }
    call(&mut hosts, &[0, 100]);
    sweep_all(&config, &mut hosts, now);
    be_idle(&mut hosts[1]);
    let after = sweep_all(&config, &mut hosts, now + base);
    assert_eq!(
        after,
        [false, false],
        "three good intervals have been counted"
    );
}

#[test]
fn no_ejection_is_longer_than_the_maximum() {
    let config = by_failures();
    let now = Instant::now();
    let mut host = Host {
        multiplier: 1_000,
        ..Host::default()
    };
    host.eject(now);
    host.review(&config, now + config.max_ejection_time);
    assert!(!host.is_ejected());
}

#[test]
fn enforcement_is_a_matter_of_chance() {
    let mut config = by_failures();
    if let Some(failures) = &mut config.failure_percentage {
        failures.enforcement_percentage = 30;
    }
    for (rolled, ejected) in [(29, true), (30, false)] {
        let mut hosts = hosts(&[0, 100]);
        let mut all: Vec<&mut Host> = hosts.iter_mut().collect();
        sweep(&config, &mut all, Instant::now(), || rolled);
        assert_eq!(hosts[1].is_ejected(), ejected);
    }
}

proptest! {
    #[test]
    fn at_most_one_more_than_the_percentage_is_ejected(
        sweeps in prop::collection::vec(prop::collection::vec(0u64..=100, 12), 1..8),
        max_ejection_percent in 0u32..=100,
    ) {
        let config = OutlierDetection {
            max_ejection_percent,
            success_rate: Some(SuccessRate::default()),
            ..by_failures()
        };
        let mut all = vec![Host::default(); 12];
        let mut now = Instant::now();
        for failures in sweeps {
            call(&mut all, &failures);
            let ejected = sweep_all(&config, &mut all, now).into_iter().filter(|e| *e).count();
            // One more may go while the share is below the limit.
            prop_assert!(ejected * 100 < max_ejection_percent as usize * 12 + 100);
            if max_ejection_percent == 0 {
                prop_assert_eq!(ejected, 0);
            }
            now += config.interval;
        }
    }

    #[test]
    fn every_ejection_ends(failures in prop::collection::vec(0u64..=100, 1..30)) {
        let config = by_failures();
        let now = Instant::now();
        let mut hosts = hosts(&failures);
        sweep_all(&config, &mut hosts, now);
        for host in &mut hosts {
            be_idle(host);
        }
        let later = sweep_all(&config, &mut hosts, now + config.max_ejection_time);
        prop_assert!(later.iter().all(|ejected| !ejected));
    }
}
