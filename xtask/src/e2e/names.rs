//! The names in the manifests that the scenarios need: said once.

/// The server's Deployment, its container, its ClusterIP Service and its target in the Dockerfile.
pub(super) const SERVER: &str = "user-server";
/// The Service whose name resolves to all pods.
pub(super) const HEADLESS: &str = "user-server-headless";
/// The client's Deployment, its container and its target in the Dockerfile.
pub(super) const CLIENT: &str = "user-client";
/// The database's `StatefulSet`.
pub(super) const DATABASE: &str = "postgres";
/// Where gRPC is served.
pub(super) const PORT: u16 = 50051;
/// How many replicas the manifests ask for.
pub(super) const REPLICAS: usize = 3;
/// What the manifests call the server's image.
pub(super) const SERVER_IMAGE: &str = "user-server";
/// What they call the client's.
pub(super) const CLIENT_IMAGE: &str = "user-client";
/// The version of the images, which the manifests name.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Selects the server's pods.
pub(super) fn servers() -> String {
    labelled(SERVER)
}

/// Selects the pods of a workload.
pub(super) fn labelled(name: &str) -> String {
    format!("app.kubernetes.io/name={name}")
}

/// A Service's absolute name, as the client's target: it ends with a dot, so that it costs one query.
pub(super) fn target(service: &str, namespace: &str) -> String {
    format!("dns:///{service}.{namespace}.svc.cluster.local.:{PORT}")
}
