//! The overlay on the cluster: brought up, and taken away again without a trace.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::Value;

use super::certificates;
use super::error::Error;
use super::kubectl::Kubectl;
use super::load::SELECTOR;
use super::names::{CLIENT, DATABASE, REPLICAS, SERVER};
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
    objects: Vec<Value>,
    /// Whether the namespace was there before.
    found: bool,
    undo: RefCell<Undo>,
}

/// What has been changed and has to be undone, however the run ends.
#[derive(Debug, Default)]
struct Undo {
    /// Whether the overlay was applied at all.
    applied: bool,
    /// A node that takes no pods.
    cordoned: Option<String>,
    /// Objects that components have added.
    added: Vec<String>,
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
            undo: RefCell::default(),
        })
    }

    /// Applies the overlay, as an operator would, and waits until all is ready.
    pub(super) async fn apply(&self) -> Result<(), Error> {
        let path = self.folder.path();
        screen::step(&format!("kubectl apply -k {path}"));
        self.undo.borrow_mut().applied = true;
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

    /// Adds a component to what is there, as a line in an overlay of one's own would.
    pub(super) async fn add(&self, component: &str) -> Result<(), Error> {
        let kubectl = &self.kubectl;
        let folder = self.folder.with_component(component, kubectl.namespace())?;
        let objects = folder.objects(&kubectl.in_namespace("")).await?;
        let added = overlay::added(&objects, &self.objects);
        self.undo.borrow_mut().added.extend(added);
        let path = folder.path();
        kubectl
            .run(&["apply", "--kustomize", &path])
            .await
            .map(drop)
    }

    /// Lets a node take no pods, until [`Stage::uncordon`].
    pub(super) async fn cordon(&self, node: &str) -> Result<(), Error> {
        self.undo.borrow_mut().cordoned = Some(node.to_owned());
        self.kubectl.run(&["cordon", node]).await.map(drop)
    }

    /// Lets it take pods again.
    pub(super) async fn uncordon(&self) -> Result<(), Error> {
        let node = self.undo.borrow().cordoned.clone();
        if let Some(node) = node {
            self.kubectl.run(&["uncordon", &node]).await?;
        }
        self.undo.borrow_mut().cordoned = None;
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
        if !self.undo.borrow().applied {
            return Ok(());
        }
        self.uncordon().await?;
        let helper = self.node_access();
        self.remove_namespace(helper.namespace()).await?;
        if keep || self.found {
            self.discard_clients().await?;
            return self.restore().await;
        }
        let namespace = self.kubectl.namespace();
        screen::step(&format!("kubectl delete namespace {namespace}"));
        self.remove_namespace(namespace).await
    }

    /// Deletes a namespace, if it is there, and waits until it is gone.
    async fn remove_namespace(&self, namespace: &str) -> Result<(), Error> {
        let timeout = format!("--timeout={}s", CLEAR.as_secs());
        let how = ["--ignore-not-found", &timeout];
        let delete = [&["delete", "namespace", namespace], &how[..]].concat();
        let delete = self.kubectl.program(&delete).within(CLEAR + CLEAR);
        delete.run().await.map(drop)
    }

    /// Removes the clients of the run, if there are any.
    pub(super) async fn discard_clients(&self) -> Result<(), Error> {
        let pods = ["pods", "--selector", SELECTOR];
        self.kubectl.discard(&pods).await
    }

    /// Brings the objects back to what the overlay says, without what components have added.
    pub(super) async fn restore(&self) -> Result<(), Error> {
        self.uncordon().await?;
        let path = self.folder.path();
        self.kubectl.run(&["apply", "--kustomize", &path]).await?;
        let added = std::mem::take(&mut self.undo.borrow_mut().added);
        for object in added {
            self.kubectl.discard(&[&object]).await?;
        }
        // Without `replicas` in the last apply, this one did not set them.
        let size = format!("--replicas={REPLICAS}");
        let deployment = format!("deployment/{SERVER}");
        self.kubectl
            .run(&["scale", &deployment, &size])
            .await
            .map(drop)
    }
}
