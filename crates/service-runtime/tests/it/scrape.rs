//! What a Prometheus server reads of `/metrics`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use service_runtime::health::Reporter;
use service_runtime::ops::{self, Running, Version};
use service_runtime::readiness::{self, Probes, Readiness};
use service_runtime::telemetry::traces::Traces;
use service_runtime::telemetry::{Config, Service, Telemetry};

use crate::ops::get;
use crate::subject::soon;

/// An ops listener, and what it shows of a provider of its own.
pub(crate) struct Scraped {
    telemetry: Telemetry,
    address: SocketAddr,
    pub(crate) readiness: Readiness,
    _ops: Running,
    _probes: Probes,
}

/// A provider for a replica that calls itself so.
pub(crate) fn telemetry(instance: &str) -> Telemetry {
    Telemetry::start(&Config::default(), &service(instance)).unwrap()
}

pub(crate) fn service(instance: &str) -> Service {
    Service {
        name: "subject",
        version: "1.2.3",
        instance: instance.to_owned(),
    }
}

// === impl Scraped ===

impl Scraped {
    pub(crate) fn start() -> Self {
        Self::pushing(&Config::default())
    }

    /// One that pushes as well, if the settings say so.
    pub(crate) fn pushing(to: &Config) -> Self {
        let telemetry = Telemetry::start(to, &service("replica-1")).unwrap();
        let config = readiness::Config {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
        };
        let (readiness, probes) = Readiness::start(&config, vec![], &Reporter::new([]));
        readiness.measure(&telemetry.meter());
        let address = ([127, 0, 0, 1], 0).into();
        let bound = ops::Config { address }.bind().unwrap();
        let version = Version {
            name: "subject",
            version: "1.2.3",
        };
        Self {
            address: bound.local_address(),
            _ops: bound.serve(readiness.clone(), telemetry.clone(), version),
            telemetry,
            readiness,
            _probes: probes,
        }
    }

    /// Pushes for the last time.
    pub(crate) async fn flush(&self) {
        self.telemetry.flush().await;
    }

    pub(crate) fn meter(&self) -> Meter {
        self.telemetry.meter()
    }

    /// Traces that nobody wants.
    pub(crate) fn traces(&self) -> Traces {
        self.traced(&Config::default())
    }

    /// Traces whose losses are counted here.
    pub(crate) fn traced(&self, config: &Config) -> Traces {
        Traces::start(config, &service("replica-1"), Some(&self.meter())).unwrap()
    }

    /// The whole text.
    pub(crate) async fn text(&self) -> String {
        let (code, text) = get(self.address, "/metrics", "*/*").await;
        assert_eq!(code, 200, "{text}");
        text
    }

    /// The value of every series, by its name with its labels.
    pub(crate) async fn series(&self) -> BTreeMap<String, f64> {
        let text = self.text().await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').expect("a name and a value"))
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            .collect()
    }

    /// The value of one series, which has to be there.
    pub(crate) async fn value(&self, name: &str) -> f64 {
        let series = self.series().await;
        match series.get(name) {
            Some(value) => *value,
            None => panic!("there must be {name} in {series:#?}"),
        }
    }

    /// Waits until a series has this value.
    pub(crate) async fn until(&self, name: &str, value: f64) {
        soon(&format!("{name} {value}"), async {
            // A series with labels that were not seen yet is not there.
            let is = |series: BTreeMap<String, f64>| {
                series
                    .get(name)
                    .is_some_and(|it| (it - value).abs() <= f64::EPSILON)
            };
            while !is(self.series().await) {}
        })
        .await;
    }
}
