//! The clusters of a DestinationRule: one for each subset.

use serde_json::{Value, json};

use super::{Labels, Pod, address, cluster_name, duration, known};

/// The port of the Service, which is the pods' too.
const PORT: u16 = 50051;

/// One cluster for each subset, of the pods that it selects.
pub(super) fn all(rule: &Value, pods: &[Pod]) -> Vec<Value> {
    known(rule, &["host", "trafficPolicy", "subsets"]);
    let policy = &rule["trafficPolicy"];
    known(
        policy,
        &["loadBalancer", "connectionPool", "outlierDetection"],
    );
    let subsets = rule["subsets"].as_array().unwrap();
    subsets
        .iter()
        .map(|subset| {
            known(subset, &["name", "labels"]);
            let labels: Labels = serde_json::from_value(subset["labels"].clone()).unwrap();
            let selected: Vec<Value> = pods
                .iter()
                .filter(|pod| {
                    labels
                        .iter()
                        .all(|(key, value)| pod.labels.get(key) == Some(value))
                })
                .map(|pod| json!({"endpoint": {"address": address(pod.address)}}))
                .collect();
            assert!(!selected.is_empty(), "no pod has the labels {labels:?}");
            let destination = json!({
                "host": rule["host"],
                "subset": subset["name"],
                "port": {"number": PORT},
            });
            one(&cluster_name(&destination), policy, &selected)
        })
        .collect()
}

fn one(name: &str, policy: &Value, endpoints: &[Value]) -> Value {
    let (pool, outliers) = (&policy["connectionPool"], &policy["outlierDetection"]);
    known(pool, &["tcp", "http"]);
    known(&pool["tcp"], &["connectTimeout", "tcpKeepalive"]);
    let http = &pool["http"];
    known(
        http,
        &[
            "http2MaxRequests",
            "http1MaxPendingRequests",
            "maxRetries",
            "idleTimeout",
        ],
    );
    known(
        outliers,
        &[
            "consecutive5xxErrors",
            "interval",
            "baseEjectionTime",
            "maxEjectionPercent",
        ],
    );
    let keepalive = &pool["tcp"]["tcpKeepalive"];
    let seconds = |field: &str| {
        let text = keepalive[field].as_str().unwrap();
        text.strip_suffix('s').unwrap().parse::<u32>().unwrap()
    };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": duration(&pool["tcp"]["connectTimeout"]),
        "upstream_connection_options": {"tcp_keepalive": {
            "keepalive_time": seconds("time"),
            "keepalive_interval": seconds("interval"),
            "keepalive_probes": keepalive["probes"],
        }},
        "lb_policy": policy["loadBalancer"]["simple"],
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [{
            "max_requests": http["http2MaxRequests"],
            "max_pending_requests": http["http1MaxPendingRequests"],
            "max_retries": http["maxRetries"],
        }]},
        "outlier_detection": {
            "consecutive_5xx": outliers["consecutive5xxErrors"],
            "interval": duration(&outliers["interval"]),
            "base_ejection_time": duration(&outliers["baseEjectionTime"]),
            "max_ejection_percent": outliers["maxEjectionPercent"],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": duration(&http["idleTimeout"])},
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    })
}
