//! The layers, with the parts of them that a row wants.

use service_runtime::auth::{self, Guard, Kind, Mode};
use service_runtime::faults::{self, Faults};
use service_runtime::layers::identity::Identity;
use service_runtime::layers::metrics::Calls;
use service_runtime::layers::spans::Spans;
use service_runtime::layers::{Layered, Layers};
use service_runtime::limits::{self, Limits};
use service_runtime::methods::Method;
use service_runtime::telemetry::traces::{Exporter, Traces};
use service_runtime::telemetry::{self, Telemetry};
use service_runtime::{logs, telemetry::Service};
use tempfile::TempDir;

use crate::handler::Answers;
use crate::issuer::Issuer;

/// The method that is called.
pub const PATH: &str = "/bench.v1.Records/Get";

/// What the guard permits.
pub const POLICY: &str = r#"
[methods]
"/bench.v1.Records/Get" = "read"
"/bench.v1.Records/Lookup" = "read"

[[grants]]
to = { claim = { name = "scope", value = "read" } }
permissions = ["read"]
"#;

/// What can be left out of the layers. Request id, identity and the catching of panics cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Guard,
    Limits,
    Metrics,
    Spans,
    /// With the filter `info`: no line is shown of a call that worked.
    AccessLog,
    /// They may be set, and none is.
    Faults,
}

/// All of them.
pub const ALL: [Part; 6] = [
    Part::Guard,
    Part::Limits,
    Part::Metrics,
    Part::Spans,
    Part::AccessLog,
    Part::Faults,
];

/// What has to live as long as the layers.
pub struct Kept {
    _folder: TempDir,
    _telemetry: Telemetry,
    _traces: Traces,
}

/// The handler in layers with these parts. Must be called on a tokio runtime.
pub fn around(parts: &[Part], issuer: &Issuer) -> (Layered<Answers>, Kept) {
    let has = |part| parts.contains(&part);
    let folder = tempfile::tempdir().expect("there is room for two files");
    let methods = methods();
    let service = Service {
        name: "bench",
        version: "0",
        instance: "bench".to_owned(),
    };
    if has(Part::AccessLog) {
        logs::init(&logs::Config::default()).expect("each row has a process of its own");
    }
    let mut config = telemetry::Config::default();
    config.traces.exporter = Exporter::Otlp;
    // Nobody listens there, and nothing is sampled: how likely that is does not change what it costs.
    "http://127.0.0.1:9".clone_into(&mut config.traces.otlp.endpoint);
    config.traces.ratio = 0.0;
    let telemetry = Telemetry::start(&config, &service).expect("it needs nothing");
    let traces = Traces::start(&config, &service, None).expect("it connects later");
    let layers = Layers {
        identity: Identity::new("bench-7d4b9c6f5d-x2x9z", "0.1.0").expect("they are plain"),
        guard: if has(Part::Guard) {
            guard(&folder, issuer, &methods)
        } else {
            Guard::open()
        },
        limits: if has(Part::Limits) {
            limits::Config::default().start(&methods)
        } else {
            Limits::off()
        },
        faults: if has(Part::Faults) {
            faults::Config { enabled: true }.start(&methods)
        } else {
            Faults::off()
        },
        calls: has(Part::Metrics).then(|| Calls::new(&telemetry.meter(), &methods)),
        spans: has(Part::Spans).then(|| Spans::new(&traces, &methods)),
    };
    let kept = Kept {
        _folder: folder,
        _telemetry: telemetry,
        _traces: traces,
    };
    (layers.around(Answers), kept)
}

fn guard(folder: &TempDir, issuer: &Issuer, methods: &[Method]) -> Guard {
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("the folder is ours");
    let config = auth::Config {
        mode: Mode::Required,
        authenticators: vec![Kind::Jwt],
        policy,
        jwt: issuer.settings(folder.path()),
        ..auth::Config::default()
    };
    config.start(methods).expect("the files are there")
}

fn methods() -> [Method; 2] {
    [("Get", false), ("Lookup", true)].map(|(name, is_stream)| Method {
        path: format!("/bench.v1.Records/{name}"),
        is_stream,
    })
}
