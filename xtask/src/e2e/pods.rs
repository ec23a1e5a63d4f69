//! Pods, as far as the scenarios care: pure reading of what `kubectl get --output=json` prints.

use serde_json::Value;

use super::error::Error;

/// A pod that is not about to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) node: String,
    pub(super) ready: bool,
    /// Of its first container, without the runtime's scheme.
    pub(super) container: String,
    pub(super) image: String,
    pub(super) restarts: u64,
}

/// Reads a list; pods that are being deleted are left out.
pub(super) fn living(list: &Value) -> Result<Vec<Pod>, Error> {
    let items = list["items"].as_array().ok_or_else(|| missing("items"))?;
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    items.iter().filter(stays).map(Pod::read).collect()
}

/// The names of pods.
pub(super) fn names(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(|pod| pod.name.clone()).collect()
}

fn missing(field: &'static str) -> Error {
    Error::Field {
        object: "the answer of kubectl get pods".to_owned(),
        field,
    }
}

// === impl Pod ===

impl Pod {
    fn read(pod: &Value) -> Result<Self, Error> {
        let text = |path: &str| {
            let value = pod.pointer(path).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let name = text("/metadata/name");
        if name.is_empty() {
            return Err(missing("metadata.name"));
        }
        let conditions = pod["status"]["conditions"].as_array();
        let is_ready = |it: &Value| it["type"] == "Ready" && it["status"] == "True";
        let container = text("/status/containerStatuses/0/containerID");
        Ok(Self {
            name,
            node: text("/spec/nodeName"),
            ready: conditions.is_some_and(|all| all.iter().any(is_ready)),
            container: container.rsplit('/').next().unwrap_or_default().to_owned(),
            image: text("/spec/containers/0/image"),
            restarts: pod["status"]["containerStatuses"][0]["restartCount"]
                .as_u64()
                .unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_read_and_one_that_ends_is_not_there() {
        let list = json!({"items": [
            {
                "metadata": {"name": "a"},
                "spec": {"nodeName": "node1", "containers": [{"image": "shop:1"}]},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "containerStatuses": [{"containerID": "containerd://abc", "restartCount": 2}],
                },
            },
            {"metadata": {"name": "b", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"name": "c"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        ]});
        let pods = living(&list).expect("this is a list of pods");
        assert_eq!(names(&pods), ["a", "c"], "b is being deleted");
        assert_eq!(
            (
                pods[0].node.as_str(),
                pods[0].container.as_str(),
                pods[0].restarts
            ),
            ("node1", "abc", 2)
        );
        assert!(pods[0].ready && !pods[1].ready);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        assert!(living(&json!({})).is_err());
        assert!(living(&json!({"items": [{}]})).is_err());
    }
}
