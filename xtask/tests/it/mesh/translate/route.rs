//! The routes of a `VirtualService`.

use serde_json::{Map, Value, json};
use tonic::Code;
use user_client::status;

use super::{cluster_name, duration, known, percentage};

/// The type of the fault filter's configuration.
pub(super) const FAULT: &str =
    "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";

/// All routes, in their order; a rule with several matches is as many routes.
pub(super) fn all(service: &Value) -> Vec<Value> {
    known(service, &["hosts", "http"]);
    let mut routes = Vec::new();
    for rule in service["http"].as_array().unwrap() {
        known(
            rule,
            &[
                "name", "match", "route", "timeout", "retries", "mirrors", "fault",
            ],
        );
        let any = vec![json!({})];
        for condition in rule["match"].as_array().unwrap_or(&any) {
            routes.push(one(rule, condition));
        }
    }
    routes
}

fn one(rule: &Value, condition: &Value) -> Value {
    let mut filters = Map::new();
    if let Some(fault) = rule.get("fault") {
        filters.insert(
            "envoy.filters.http.fault".to_owned(),
            translated_fault(fault),
        );
    }
    json!({
        "name": rule["name"],
        "match": matching(condition),
        "route": action(rule),
        "typed_per_filter_config": filters,
    })
}

fn matching(condition: &Value) -> Value {
    known(condition, &["uri", "headers"]);
    let mut matching = match condition.get("uri") {
        None => json!({"prefix": "/"}),
        Some(uri) => {
            known(uri, &["exact", "prefix", "regex"]);
            match (&uri["exact"], &uri["prefix"], &uri["regex"]) {
                (Value::String(path), _, _) => json!({"path": path}),
                (_, Value::String(prefix), _) => json!({"prefix": prefix}),
                (_, _, regex) => json!({"safe_regex": {"regex": regex}}),
            }
        }
    };
    let headers = condition["headers"].as_object();
    let headers = headers.into_iter().flatten().map(|(name, value)| {
        known(value, &["exact", "prefix"]);
        json!({"name": name, "string_match": value})
    });
    matching["headers"] = headers.collect();
    matching
}

fn action(rule: &Value) -> Value {
    let mut action = json!({
        // Without one there is no limit.
        "timeout": rule.get("timeout").map_or(json!("0s"), duration),
        "retry_policy": retry_policy(&rule["retries"]),
    });
    let routes = rule["route"].as_array().unwrap();
    let weighted = routes.iter().map(|route| {
        known(route, &["destination", "weight"]);
        let weight = route.get("weight").map_or(100, |it| it.as_u64().unwrap());
        json!({"name": cluster_name(&route["destination"]), "weight": weight})
    });
    action["weighted_clusters"] = json!({"clusters": weighted.collect::<Vec<_>>()});
    let mirrors = rule["mirrors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|mirror| {
            known(mirror, &["destination", "percentage"]);
            json!({
                "cluster": cluster_name(&mirror["destination"]),
                "runtime_fraction": {"default_value": percentage(&mirror["percentage"])},
            })
        });
    action["request_mirror_policies"] = mirrors.collect();
    action
}

/// Istio's own default, two retries, would hold where a rule says nothing; ours say something.
fn retry_policy(retries: &Value) -> Value {
    known(retries, &["attempts", "perTryTimeout", "retryOn"]);
    let mut policy = json!({
        "retry_on": retries["retryOn"].as_str().expect("every rule says what is retried"),
        "num_retries": retries["attempts"],
        // What istiod adds to every policy: another replica, if there is one.
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }],
        "host_selection_retry_max_attempts": 5,
    });
    if let Some(limit) = retries.get("perTryTimeout") {
        policy["per_try_timeout"] = duration(limit);
    }
    policy
}

fn translated_fault(fault: &Value) -> Value {
    known(fault, &["delay", "abort"]);
    let mut filter = json!({"@type": FAULT});
    if let Some(delay) = fault.get("delay") {
        known(delay, &["percentage", "fixedDelay"]);
        filter["delay"] = json!({
            "fixed_delay": duration(&delay["fixedDelay"]),
            "percentage": percentage(&delay["percentage"]),
        });
    }
    if let Some(abort) = fault.get("abort") {
        known(abort, &["percentage", "grpcStatus"]);
        let name = abort["grpcStatus"].as_str().unwrap();
        let code = (0..=16).find(|code| status::name(Code::from_i32(*code)) == name);
        filter["abort"] = json!({
            "grpc_status": code.expect("a code of gRPC by its name"),
            "percentage": percentage(&abort["percentage"]),
        });
    }
    filter
}
