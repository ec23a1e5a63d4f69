//! The pods of the clients, made from the client's own Deployment: whatever an overlay gives it
//! (certificates, settings, an identity), they have too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::e2e::names::CLIENT;

/// Who manages the pods of the run, by which they are told from the overlay's.
const MANAGER: &str = "cargo-xtask-e2e";

/// Selects the pods of the run.
pub(in crate::e2e) const SELECTOR: &str = "app.kubernetes.io/managed-by=cargo-xtask-e2e";

/// A client's pod: pure data.
#[derive(Clone, Debug)]
pub(in crate::e2e) struct Pod {
    object: Value,
}

/// What a client shall do.
#[derive(Clone, Copy, Debug)]
pub(in crate::e2e) enum Run<'a> {
    /// Calls for ever.
    Steady {
        method: &'a str,
        rate: u32,
        interval: Duration,
    },
    /// So many calls, as fast as they are answered; to another target than the settings'.
    Calls {
        method: &'a str,
        calls: u64,
        workers: usize,
        target: Option<&'a str>,
    },
    /// These arguments.
    Args(&'a [&'a str]),
}

// === impl Pod ===

impl Pod {
    /// From the template of the client's Deployment.
    pub(in crate::e2e) fn from_template(template: &Value) -> Self {
        let mut spec = template["spec"].clone();
        spec["restartPolicy"] = json!("Never");
        let mut labels = template["metadata"]["labels"].clone();
        labels["app.kubernetes.io/managed-by"] = json!(MANAGER);
        let annotations = template["metadata"]["annotations"].clone();
        Self {
            object: json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": spec,
            }),
        }
    }

    pub(in crate::e2e) fn named(&self, name: &str) -> Self {
        self.with("/metadata", "name", json!(name))
    }

    pub(in crate::e2e) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// On this node, whatever happens.
    pub(in crate::e2e) fn on(&self, node: &str) -> Self {
        self.with("/spec", "nodeName", json!(node))
    }

    /// With the files of another Secret where there were those of this one.
    pub(in crate::e2e) fn with_secret(&self, secret: &str, instead: &str) -> Self {
        let mut pod = self.clone();
        let volumes = pod.object.pointer_mut("/spec/volumes");
        for volume in volumes.and_then(Value::as_array_mut).into_iter().flatten() {
            if volume["secret"]["secretName"] == secret {
                volume["secret"]["secretName"] = json!(instead);
            }
        }
        pod
    }

    /// That does this. Flags before the sub-command, such as `--config`, stay.
    pub(in crate::e2e) fn running(&self, run: &Run<'_>) -> Self {
        let mut pod = self.clone();
        let containers = pod.object.pointer_mut("/spec/containers");
        let client = containers
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .find(|it| it["name"] == CLIENT);
        if let Some(client) = client {
            let args = client["args"].as_array().into_iter().flatten();
            let kept = args.take_while(|it| it.as_str().is_some_and(|it| it.starts_with('-')));
            let args: Vec<Value> = kept.cloned().chain(run.args()).collect();
            client["args"] = json!(args);
        }
        pod
    }

    /// What the API server gets.
    pub(in crate::e2e) const fn object(&self) -> &Value {
        &self.object
    }

    fn with(&self, path: &str, key: &str, value: Value) -> Self {
        let mut pod = self.clone();
        if let Some(parent) = pod.object.pointer_mut(path) {
            parent[key] = value;
        }
        pod
    }
}

// === impl Run ===

impl Run<'_> {
    fn args(&self) -> Vec<Value> {
        let args: Vec<String> = match self {
            Self::Steady {
                method,
                rate,
                interval,
            } => vec![
                "load".to_owned(),
                "--output=json".to_owned(),
                "--duration=forever".to_owned(),
                format!("--method={method}"),
                format!("--rate={rate}"),
                format!("--interval={}ms", interval.as_millis()),
            ],
            Self::Calls {
                method,
                calls,
                workers,
                target,
            } => {
                let args = vec![
                    "load".to_owned(),
                    "--output=json".to_owned(),
                    format!("--method={method}"),
                    format!("--calls={calls}"),
                    format!("--workers={workers}"),
                ];
                let target = target.map(|target| format!("--target={target}"));
                args.into_iter().chain(target).collect()
            }
            Self::Args(args) => args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        args.into_iter().map(Value::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        Pod::from_template(&json!({
            "metadata": {"labels": {"app.kubernetes.io/name": CLIENT}},
            "spec": {
                "containers": [{
                    "name": CLIENT,
                    "args": ["--config=/etc/client.toml", "load", "--duration=forever", "--rate=50"],
                    "env": [{"name": "A", "value": "b"}],
                }],
                "volumes": [{"name": "tls", "secret": {"secretName": "identity"}}],
            },
        }))
    }

    #[test]
    fn a_pod_keeps_what_the_deployment_gives_and_changes_what_it_does() {
        let run = Run::Calls {
            method: "get",
            calls: 9,
            workers: 2,
            target: Some("dns:///a:1"),
        };
        let pod = pod().named("x").on("node1").running(&run);
        assert_eq!(pod.name(), "x");
        let spec = &pod.object()["spec"];
        assert_eq!(
            spec["restartPolicy"], "Never",
            "a run that failed must not begin again"
        );
        assert_eq!(spec["nodeName"], "node1");
        assert_eq!(
            spec["containers"][0]["args"],
            json!([
                "--config=/etc/client.toml",
                "load",
                "--output=json",
                "--method=get",
                "--calls=9",
                "--workers=2",
                "--target=dns:///a:1"
            ])
        );
        assert_eq!(spec["containers"][0]["env"][0]["value"], "b");
        assert_eq!(
            pod.object()["metadata"]["labels"]["app.kubernetes.io/name"],
            CLIENT
        );
    }

    #[test]
    fn what_the_run_has_made_is_found_again() {
        let (key, value) = SELECTOR.split_once('=').expect("a selector compares");
        assert_eq!(pod().object()["metadata"]["labels"][key], value);
    }

    #[test]
    fn a_stranger_has_other_files() {
        let stranger = pod().with_secret("identity", "forged");
        let volume = &stranger.object()["spec"]["volumes"][0];
        assert_eq!(volume["secret"]["secretName"], "forged");
    }
}
