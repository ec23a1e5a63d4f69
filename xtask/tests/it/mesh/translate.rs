//! From Istio's words to Envoy's: the VirtualService and the DestinationRule of one host become the
//! configuration that istiod would send to a sidecar.
//!
//! Pure, and no more than the manifests use: a field that it does not know stops the test, so that
//! nothing in a manifest goes unproved without somebody noticing. The originals are
//! `pilot/pkg/networking/core/route/route.go` and `core/cluster_traffic_policy.go` of Istio.

mod cluster;
mod route;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

/// Labels of a pod, or of a subset.
pub(super) type Labels = BTreeMap<String, String>;

/// A pod behind the host: what a subset selects it by, and where it listens.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) labels: Labels,
    pub(super) address: SocketAddr,
}

/// A bootstrap configuration of Envoy, with two listeners on loopback that lead to the same routes.
pub(super) fn bootstrap(objects: &[Value], host: &str, pods: &[Pod]) -> Value {
    let service = spec_of(objects, "VirtualService", "/spec/hosts/0", host);
    let rule = spec_of(objects, "DestinationRule", "/spec/host", host);
    let listener = |number: u8| {
        json!({
            "name": format!("loopback-{number}"),
            "address": address(SocketAddr::from(([127, 0, 0, number], 0))),
            "filter_chains": [{"filters": [connection_manager(service)]}],
        })
    };
    json!({
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {
            "listeners": [listener(1), listener(2)],
            "clusters": cluster::all(rule, pods),
        },
    })
}

fn connection_manager(service: &Value) -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "mesh",
            "codec_type": "HTTP2",
            "route_config": {
                // A sidecar tells the hosts apart by their names and by the address that was dialled;
                // here there is one.
                "virtual_hosts": [{"name": "host", "domains": ["*"], "routes": route::all(service)}],
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.fault",
                    "typed_config": {"@type": route::FAULT},
                },
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    },
                },
            ],
        },
    })
}

/// The name that istiod gives the cluster of a subset.
fn cluster_name(destination: &Value) -> String {
    known(destination, &["host", "subset", "port"]);
    let text = |field: &str| destination[field].as_str().unwrap();
    let port = &destination["port"]["number"];
    format!("outbound|{port}|{}|{}", text("subset"), text("host"))
}

fn spec_of<'a>(objects: &'a [Value], kind: &str, pointer: &str, host: &str) -> &'a Value {
    let mut found = objects
        .iter()
        .filter(|it| it["kind"] == kind && it.pointer(pointer) == Some(&json!(host)));
    let object = found
        .next()
        .unwrap_or_else(|| panic!("there is no {kind} of {host}"));
    assert!(
        found.next().is_none(),
        "two of {kind} would be merged, or fight"
    );
    &object["spec"]
}

/// Stops at a field that is not translated.
fn known(value: &Value, fields: &[&str]) {
    for name in value.as_object().into_iter().flat_map(|it| it.keys()) {
        assert!(
            fields.contains(&name.as_str()),
            "{name:?} is not translated for Envoy; these are: {fields:?}"
        );
    }
}

/// Istio takes what Go takes; Envoy takes seconds only.
fn duration(value: &Value) -> Value {
    let text = value.as_str().unwrap();
    let (number, seconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else {
        (text.strip_suffix('s').unwrap(), 1.0)
    };
    json!(format!("{:.3}s", number.parse::<f64>().unwrap() * seconds))
}

/// A share of all calls; a millionth is the finest that Envoy knows.
fn percentage(value: &Value) -> Value {
    let percent = value["value"].as_f64().unwrap();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a percentage is from 0 to 100"
    )]
    let numerator = (percent * 10_000.0).round() as u32;
    json!({"numerator": numerator, "denominator": "MILLION"})
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {
        "address": address.ip().to_string(),
        "port_value": address.port(),
    }})
}
