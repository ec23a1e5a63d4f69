//! Whom the programs call, by their settings: what policies have to allow and certificates to name. Of
//! programs that are not ours, only the [`collector`] calls anybody.

mod collector;

use service_runtime::telemetry::Config as Telemetry;
use service_runtime::telemetry::traces::{Exporter, Otlp};

use super::pod::Container;
use super::program;
use super::render::Render;

/// What PostgreSQL's clients take when nothing names a port.
const POSTGRES: u16 = 5432;

/// A name and a port that a program connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    /// As the settings say it.
    pub(crate) host: String,
    /// Its number; `None` when the settings name it by name.
    pub(crate) port: Option<u16>,
    /// Which setting says so.
    pub(crate) setting: &'static str,
    /// How the addresses are found.
    pub(crate) by: By,
}

/// How the addresses of a name are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By DNS.
    Dns,
    /// By the EndpointSlices of the Kubernetes API.
    EndpointSlices,
}

/// Whom a container connects to.
pub(crate) fn of(render: &Render, container: &Container<'_>) -> Vec<Dial> {
    let environment = container.environment(render);
    let mut dials = Vec::new();
    if let Some(Ok(settings)) = program::client(render, container) {
        dials.extend(target(&settings.target));
        dials.extend(telemetry(&settings.telemetry));
    }
    if let Some(Ok(settings)) = program::server(render, container) {
        dials.extend(telemetry(&settings.telemetry));
        let url = settings.store.url.expose();
        if let Some(("postgres" | "postgresql", rest)) = url.split_once("://") {
            // What the URL leaves open comes from the environment, as for every client of PostgreSQL.
            let (host, port) = authority(rest);
            let host = host.or_else(|| environment.get("PGHOST").cloned());
            let port = port.or_else(|| environment.get("PGPORT")?.parse().ok());
            dials.extend(host.map(|host| Dial {
                host,
                port: Some(port.unwrap_or(POSTGRES)),
                setting: "store.url",
                by: By::Dns,
            }));
        }
    }
    dials.extend(collector::of(render, container));
    dials
}

/// Where spans, metrics and log records are sent, as far as they are.
fn telemetry(config: &Telemetry) -> impl Iterator<Item = Dial> {
    let (traces, metrics, logs) = (&config.traces, &config.metrics, &config.logs);
    let signals: [(Exporter, &Otlp, &'static str); 3] = [
        (
            traces.exporter,
            &traces.otlp,
            "telemetry.traces.otlp.endpoint",
        ),
        (
            metrics.exporter,
            &metrics.otlp,
            "telemetry.metrics.otlp.endpoint",
        ),
        (logs.exporter, &logs.otlp, "telemetry.logs.otlp.endpoint"),
    ];
    let sent = signals
        .into_iter()
        .filter(|(exporter, ..)| *exporter == Exporter::Otlp);
    sent.filter_map(|(_, otlp, setting)| {
        let (_, rest) = otlp.endpoint.split_once("://")?;
        let (host, port) = authority(rest);
        host.map(|host| Dial {
            host,
            port,
            setting,
            by: By::Dns,
        })
    })
}

/// The client's target; `None` when it names addresses.
fn target(target: &str) -> Option<Dial> {
    let setting = "target";
    if let Some(rest) = target.strip_prefix("k8s:///") {
        let (service, port) = rest.rsplit_once(':')?;
        return Some(Dial {
            host: service.to_owned(),
            port: port.parse().ok(),
            setting,
            by: By::EndpointSlices,
        });
    }
    let others = ["ipv4:", "ipv6:", "unix:", "dns+srv:"];
    if others.iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let rest = match target.strip_prefix("dns://") {
        Some(rest) => rest.split_once('/')?.1,
        None => target.strip_prefix("dns:").unwrap_or(target),
    };
    let (host, port) = rest.rsplit_once(':')?;
    port.parse().ok().map(|port| Dial {
        host: host.to_owned(),
        port: Some(port),
        setting,
        by: By::Dns,
    })
}

/// The host and the port of what follows `scheme://`.
fn authority(rest: &str) -> (Option<String>, Option<u16>) {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (address, None),
    };
    ((!host.is_empty()).then(|| host.to_owned()), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_in_every_form_that_names_a_service() {
        let found = |text| target(text).map(|it| (it.host, it.port, it.by));
        let dns = |host: &str| Some((host.to_owned(), Some(50051), By::Dns));
        assert_eq!(found("dns:///a.b.svc.:50051"), dns("a.b.svc."));
        assert_eq!(found("dns://10.0.0.10:53/a.b:50051"), dns("a.b"));
        assert_eq!(found("a:50051"), dns("a"));
        assert_eq!(
            found("k8s:///a.b:grpc"),
            Some(("a.b".to_owned(), None, By::EndpointSlices))
        );
        assert_eq!(found("ipv4:10.0.0.1:1,10.0.0.2:1"), None, "no name");
    }

    #[test]
    fn each_signal_is_sent_where_its_settings_say_and_only_if_it_is_wanted() {
        let mut config = Telemetry::default();
        "http://collector.a.svc.:4317".clone_into(&mut config.traces.otlp.endpoint);
        "https://logs.example.com".clone_into(&mut config.logs.otlp.endpoint);
        assert_eq!(telemetry(&config).next(), None);
        (config.traces.exporter, config.logs.exporter) = (Exporter::Otlp, Exporter::Otlp);
        let dials: Vec<_> = telemetry(&config).collect();
        let found: Vec<_> = dials.iter().map(|it| (&*it.host, it.port)).collect();
        let expected = [("collector.a.svc.", Some(4317)), ("logs.example.com", None)];
        assert_eq!(found, expected);
        assert_eq!(dials[1].setting, "telemetry.logs.otlp.endpoint");
    }

    #[test]
    fn a_url_tells_its_host_whatever_stands_before_it() {
        assert_eq!(
            authority("app:p@ss@db:5433/app?x=y"),
            (Some("db".to_owned()), Some(5433))
        );
        assert_eq!(authority("/app?user=app"), (None, None));
    }
}
