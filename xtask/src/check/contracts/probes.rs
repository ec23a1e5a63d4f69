//! Probes have numeric ports and fit what the port speaks: a `grpc` probe is plaintext and shows no
//! certificate, so that where gRPC asks for TLS the ops port has to answer.

use serde_json::Value;
use user_server::settings::Settings;

use crate::check::finding::Examination;
use crate::check::pod::{Container, Pod};
use crate::check::program;
use crate::check::render::Render;

/// Every replica has all three: without the startup probe a slow start is a restart.
const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

const KNATIVE: &str = "serving.knative.dev";

/// The name in grpc.health.v1 that is SERVING as long as the process answers.
const LIVENESS: &str = "liveness";

/// What the ops listener answers probes with.
const PATHS: [&str; 2] = ["/livez", "/readyz"];

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let settings = program::server(render, &container).and_then(Result::ok);
        for probe in PROBES {
            let value = container.value.get(probe);
            match (value, &settings) {
                (Some(value), settings) => {
                    examination.subject();
                    let place = container.at(&format!("/{probe}"));
                    judge(&mut examination, &container, &place, value);
                    if let Some(settings) = settings {
                        judge_ours(&mut examination, &container, &place, value, settings);
                    }
                }
                // Knative Serving starts and stops replicas by its own judgement.
                (None, Some(_)) if container.pod.owner.group() == KNATIVE => {}
                (None, Some(_)) => examination.report(
                    container.pod.owner,
                    &container.at(""),
                    format!("expected a {probe}"),
                    "add it; the other overlays show one",
                ),
                (None, None) => {}
            }
        }
    }
    examination
}

/// What holds for every container.
fn judge(examination: &mut Examination, container: &Container<'_>, place: &str, probe: &Value) {
    for kind in ["grpc", "httpGet", "tcpSocket"] {
        let Some(port) = probe.pointer(&format!("/{kind}/port")) else {
            continue;
        };
        let place = format!("{place}/{kind}/port");
        let owner = container.pod.owner;
        match port.as_u64() {
            None => examination.report(
                owner,
                &place,
                format!("expected a number instead of {port}"),
                "write the number of the port; a grpc probe takes no name, and one way is enough",
            ),
            Some(port) if !container.ports().iter().any(|(_, it, _)| *it == port) => {
                let problem = format!("the container has no port {port}");
                let cure = "name a port that stands under ports";
                examination.report(owner, &place, problem, cure);
            }
            Some(_) => {}
        }
    }
}

/// What holds for the server.
fn judge_ours(
    examination: &mut Examination,
    container: &Container<'_>,
    place: &str,
    probe: &Value,
    settings: &Settings,
) {
    let owner = container.pod.owner;
    let port = |kind: &str| probe.pointer(&format!("/{kind}/port"))?.as_u64();
    // Both end in a restart when they fail; readiness does not.
    let restarts = !place.ends_with("readinessProbe");
    if let Some(port) = port("grpc") {
        let transport = settings.server.tls.mode.to_string();
        if transport != "plaintext" {
            let problem = format!("a grpc probe is plaintext, and server.tls.mode is {transport}");
            let cure = "probe the ops port: httpGet {path: /readyz, port: 9090}";
            examination.report(owner, place, problem, cure);
        }
        let served = u64::from(settings.server.address.port());
        if port != served {
            let problem = format!("{port} is not the port of server.address, {served}");
            examination.report(owner, place, problem, "probe the port that speaks gRPC");
        }
    } else if let Some(port) = port("httpGet") {
        let path = probe.pointer("/httpGet/path").and_then(Value::as_str);
        let served = u64::from(settings.ops.address.port());
        if port != served {
            let problem = format!("{port} is not the port of ops.address, {served}");
            examination.report(owner, place, problem, "probe the port that speaks HTTP");
        }
        if !path.is_some_and(|path| PATHS.contains(&path)) {
            let problem = format!("expected the path {} or {}", PATHS[0], PATHS[1]);
            examination.report(owner, place, problem, "take one of these");
        }
        if restarts && path == Some("/readyz") {
            let problem =
                "/readyz fails when the database is away, and a restart does not mend that";
            let cure = "ask /livez";
            examination.report(owner, place, problem, cure);
        }
    } else {
        let problem = "expected a grpc or an httpGet probe: an open port is not an answer";
        let cure = "take the probes of the base";
        examination.report(owner, place, problem, cure);
    }
    let service = probe.pointer("/grpc/service").and_then(Value::as_str);
    if restarts && port("grpc").is_some() && service != Some(LIVENESS) {
        let problem = "what grpc.health.v1 answers for it depends on the database, and a restart does \
                       not mend that";
        examination.report(owner, place, problem, "ask for service: liveness");
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    const READY: &str = "readinessProbe: {httpGet: {path: /readyz, port: 9090}}";

    #[test]
    fn probes_of_the_ops_port_fit_mutual_tls() {
        assert_holds(examine);
    }

    #[test]
    fn a_named_port_is_found() {
        let named = "readinessProbe: {httpGet: {path: /readyz, port: http-ops}}";
        assert_breaks(examine, &[(READY, named)], "expected a number");
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_found() {
        let other = "readinessProbe: {httpGet: {path: /readyz, port: 9091}}";
        assert_breaks(examine, &[(READY, other)], "no port 9091");
    }

    #[test]
    fn a_grpc_probe_needs_plaintext() {
        let grpc = (READY, "readinessProbe: {grpc: {port: 50051}}");
        assert_breaks(examine, &[grpc], "a grpc probe is plaintext");
    }

    #[test]
    fn a_grpc_probe_asks_the_port_of_grpc() {
        let grpc = (READY, "readinessProbe: {grpc: {port: 9090}}");
        assert_breaks(examine, &[grpc], "not the port of server.address");
    }

    #[test]
    fn a_restart_that_depends_on_the_database_is_found() {
        for probe in ["livenessProbe", "startupProbe"] {
            let live = format!("{probe}: {{httpGet: {{path: /livez, port: 9090}}}}");
            for asks in [
                "{httpGet: {path: /readyz, port: 9090}}",
                "{grpc: {port: 50051}}",
            ] {
                let asks = format!("{probe}: {asks}");
                assert_breaks(examine, &[(&live, &asks)], "database");
            }
        }
    }

    #[test]
    fn a_missing_probe_is_found() {
        assert_breaks(
            examine,
            &[(READY, "stdin: false")],
            "expected a readinessProbe",
        );
    }
}
