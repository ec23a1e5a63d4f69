//! The restricted Pod Security Standard, and a root file system that cannot be written.
//!
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>. The API server enforces it
//! by the namespace's labels; here it is known before anything is applied, and the labels are
//! looked at as well.

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::object::{list, text};
use crate::check::pod::{Container, Pod};
use crate::check::render::Render;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The kinds of volumes that do not reach into the node.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The settings that a pod may have for the kernel.
const SYSCTLS: [&str; 6] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
];

const CURE: &str =
    "https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted";

pub(in super::super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for namespace in render.of_kind("Namespace") {
        let labels = namespace.labels("/metadata/labels");
        examination.expect(
            labels.get(ENFORCE).is_some_and(|it| it == "restricted"),
            namespace,
            "/metadata/labels",
            || format!("expected {ENFORCE}: restricted"),
            "add the label",
        );
    }
    for pod in render.pods() {
        examination.subject();
        of_pod(&mut examination, pod);
        for container in pod.containers() {
            of_container(&mut examination, &container);
        }
    }
    examination
}

fn of_pod(examination: &mut Examination, pod: Pod<'_>) {
    let mut unless = |holds: bool, within: &str, problem: String| {
        if !holds {
            examination.report(pod.owner, &pod.pointer(within), problem, CURE);
        }
    };
    for host in ["/hostNetwork", "/hostPID", "/hostIPC"] {
        let is_shared = pod.get(host) == Some(&Value::Bool(true));
        unless(
            !is_shared,
            host,
            "the node's own is not for pods".to_owned(),
        );
    }
    for volume in pod.owner.list(&pod.pointer("/volumes")) {
        let kinds = volume.as_object().into_iter().flatten();
        for (kind, _) in kinds.filter(|(kind, _)| *kind != "name") {
            let problem = format!("a volume of the kind {kind} reaches into the node");
            unless(VOLUMES.contains(&kind.as_str()), "/volumes", problem);
        }
    }
    for sysctl in pod.owner.list(&pod.pointer("/securityContext/sysctls")) {
        let name = text(sysctl, "name").unwrap_or_default();
        let problem = format!("{name} is not one of the safe ones");
        unless(SYSCTLS.contains(&name), "/securityContext/sysctls", problem);
    }
}

fn of_container(examination: &mut Examination, container: &Container<'_>) {
    let pod = container.pod;
    let own = |field: &str| container.value.pointer(&format!("/securityContext{field}"));
    // What a container does not say, its pod says for it.
    let either = |field: &str| own(field).or_else(|| pod.get(&format!("/securityContext{field}")));
    let mut unless = |holds: bool, field: &str, problem: &str| {
        if !holds {
            let place = container.at(&format!("/securityContext{field}"));
            examination.report(pod.owner, &place, problem, CURE);
        }
    };
    let is = |value: Option<&Value>, wanted: bool| value == Some(&Value::Bool(wanted));
    unless(
        is(either("/runAsNonRoot"), true),
        "/runAsNonRoot",
        "expected true",
    );
    unless(
        either("/runAsUser").and_then(Value::as_u64) != Some(0),
        "/runAsUser",
        "expected another number than root's, 0",
    );
    unless(
        is(own("/allowPrivilegeEscalation"), false),
        "/allowPrivilegeEscalation",
        "expected false",
    );
    unless(
        !is(own("/privileged"), true),
        "/privileged",
        "expected false",
    );
    unless(
        is(own("/readOnlyRootFilesystem"), true),
        "/readOnlyRootFilesystem",
        "expected true",
    );
    let profile = either("/seccompProfile/type").and_then(Value::as_str);
    unless(
        matches!(profile, Some("RuntimeDefault" | "Localhost")),
        "/seccompProfile",
        "expected RuntimeDefault or Localhost",
    );
    let capabilities = |field: &str| {
        list(
            container.value,
            &format!("/securityContext/capabilities/{field}"),
        )
    };
    unless(
        capabilities("drop").iter().any(|it| it == "ALL"),
        "/capabilities/drop",
        "expected ALL",
    );
    unless(
        capabilities("add")
            .iter()
            .all(|it| it == "NET_BIND_SERVICE"),
        "/capabilities/add",
        "expected nothing, or NET_BIND_SERVICE",
    );
    unless(
        own("/procMount").is_none_or(|it| it == "Default"),
        "/procMount",
        "expected Default",
    );
    let host_port = list(container.value, "/ports").iter();
    let mut host_port = host_port.filter_map(|it| it.get("hostPort")?.as_u64());
    if host_port.any(|port| port != 0) {
        let place = container.at("/ports");
        examination.report(
            pod.owner,
            &place,
            "a hostPort is one of the node's own",
            CURE,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn pods_of_the_restricted_standard_hold() {
        assert_holds(examine);
    }

    #[test]
    fn every_rule_can_be_broken() {
        for (from, to, found) in [
            ("runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"),
            (
                "runAsNonRoot: true",
                "runAsNonRoot: true, runAsUser: 0",
                "root's",
            ),
            ("type: RuntimeDefault", "type: Unconfined", "seccompProfile"),
            (
                "allowPrivilegeEscalation: false",
                "privileged: false",
                "allowPrivilegeEscalation",
            ),
            (
                "readOnlyRootFilesystem: true",
                "readOnlyRootFilesystem: false",
                "readOnlyRoot",
            ),
            ("drop: [ALL]", "drop: [KILL]", "capabilities.drop"),
            (
                "drop: [ALL]",
                "drop: [ALL], add: [NET_ADMIN]",
                "capabilities.add",
            ),
            (
                "runAsNonRoot: true}",
                "runAsNonRoot: true}\n      hostNetwork: true",
                "hostNetwork",
            ),
            ("emptyDir: {}", "hostPath: {path: /}", "hostPath"),
            (
                "containerPort: 50051",
                "containerPort: 50051, hostPort: 50051",
                "hostPort",
            ),
            (
                "enforce: restricted",
                "enforce: baseline",
                "enforce: restricted",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }
}
