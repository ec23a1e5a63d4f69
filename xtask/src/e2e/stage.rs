//! The overlay on the cluster: brought up, and taken away again without a trace.

use std::time::Duration;

use serde_json::Value;

use super::certificates;
use super::error::Error;
use super::kubectl::Kubectl;
use super::load::LOADS;
use super::names::{CLIENT, DATABASE, SERVER};
use super::overlay::{self, Folder, Overlay};
use super::screen;

/// The namespace of the overlay mtls: certificates have its name in them before it is applied.
const MTLS_NAMESPACE: &str = "user-mtls";

/// How long everything may take to be ready: a database that begins, and three replicas one after the
/// other on a busy machine.
const READY: Duration = Duration::from_mins(3);

/// How long a namespace may take to be gone: the pods' grace, and a volume.
const CLEAR: Duration = Duration::from_mins(3);

/// An overlay that is applied.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) kubectl: Kubectl,
    pub(super) overlay: Overlay,
    pub(super) folder: Folder,
    /// What the overlay consists of.
    pub(super) objects: Vec<Value>,
    /// Whether the namespace was there before.
    found: bool,
}

/// The overlay's folder; the one that this cluster can do something with.
async fn folder(kubectl: &Kubectl, overlay: Overlay) -> Result<Folder, Error> {
    let issuer = ["customresourcedefinition", "certificates.cert-manager.io"];
    if overlay != Overlay::Mtls || kubectl.exists(&issuer).await? {
        return overlay.folder();
    }
    screen::step("there is no cert-manager: cargo xtask certs makes the certificates");
    certificates::make(MTLS_NAMESPACE).await?;
    overlay.with_dev_certs()
}

// === impl Stage ===

impl Stage {
    /// Finds out what the overlay needs; the cluster is left as it is.
    pub(super) async fn new(context: &str, overlay: Overlay) -> Result<Self, Error> {
        let kubectl = Kubectl::new(context);
        let folder = folder(&kubectl, overlay).await?;
        let objects = folder.objects(&kubectl).await?;
        let namespace = overlay::namespace(&objects).ok_or_else(|| Error::Field {
            object: folder.path(),
            field: "Namespace",
        })?;
        let found = kubectl.exists(&["namespace", namespace]).await?;
        Ok(Self {
            kubectl: kubectl.in_namespace(namespace),
            overlay,
            folder,
            objects,
            found,
        })
    }

    /// Applies the overlay, as an operator would, and waits until all is ready.
    pub(super) async fn apply(&self) -> Result<(), Error> {
        let path = self.folder.path();
        screen::step(&format!("kubectl apply -k {path}"));
        self.kubectl.run(&["apply", "--kustomize", &path]).await?;
        self.ready().await
    }

    /// Waits until all is ready.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        for workload in [
            format!("statefulset/{DATABASE}"),
            format!("deployment/{SERVER}"),
            format!("deployment/{CLIENT}"),
        ] {
            self.kubectl.rolled_out(&workload, READY).await?;
        }
        Ok(())
    }

    /// The pod template of the client's Deployment.
    pub(super) async fn client_template(&self) -> Result<Value, Error> {
        let deployment = format!("deployment/{CLIENT}");
        let deployment = self.kubectl.json(&["get", &deployment]).await?;
        Ok(deployment["spec"]["template"].clone())
    }

    /// The namespace beside the overlay's, in which a pod may be privileged.
    pub(super) fn node_access(&self) -> Kubectl {
        let namespace = format!("{}-e2e", self.kubectl.namespace());
        self.kubectl.in_namespace(&namespace)
    }

    /// Takes away what the run has made. What was there before it stays, as the overlay has it.
    pub(super) async fn clear(&self, keep: bool) -> Result<(), Error> {
        let helper = self.node_access();
        helper.discard(&["namespace", helper.namespace()]).await?;
        if keep || self.found {
            return self.restore().await;
        }
        let namespace = self.kubectl.namespace();
        screen::step(&format!("kubectl delete namespace {namespace}"));
        let timeout = format!("--timeout={}s", CLEAR.as_secs());
        let delete = [
            "delete",
            "namespace",
            namespace,
            "--ignore-not-found",
            &timeout,
        ];
        let delete = self.kubectl.program(&delete);
        delete.within(CLEAR + CLEAR).run().await.map(drop)
    }

    /// Brings the objects back to what the overlay says.
    pub(super) async fn restore(&self) -> Result<(), Error> {
        if !self
            .kubectl
            .exists(&["namespace", self.kubectl.namespace()])
            .await?
        {
            return Ok(());
        }
        let path = self.folder.path();
        self.kubectl.run(&["apply", "--kustomize", &path]).await?;
        self.kubectl.discard(&["pod", LOADS[0], LOADS[1]]).await
    }
}
