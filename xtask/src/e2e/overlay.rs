//! An overlay: what is applied, what it renders to, and what a component adds to it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;

use super::error::Error;
use super::kubectl::Kubectl;

/// Where the components are.
const COMPONENTS: &str = "kustomize/components";

/// The overlays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Overlay {
    /// The base and a database.
    #[default]
    Plain,
    /// The same with mutual TLS, identities and network policies.
    Mtls,
    /// The same with Istio doing it.
    Istio,
}

/// A folder for `kubectl apply -k`.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Removes a folder that was made for the run.
    _made: Option<tempfile::TempDir>,
}

// === impl Overlay ===

impl Overlay {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Mtls => "mtls",
            Self::Istio => "istio",
        }
    }

    /// The folder in the repository.
    pub(super) fn folder(self) -> Result<Folder, Error> {
        Self::at(Path::new("kustomize/overlays").join(self.name()))
    }

    /// The same with certificates that `cargo xtask certs` makes.
    pub(super) fn with_dev_certs(self) -> Result<Folder, Error> {
        Self::at(
            Path::new("kustomize/overlays")
                .join(self.name())
                .join("dev-certs"),
        )
    }

    fn at(path: PathBuf) -> Result<Folder, Error> {
        if path.join("kustomization.yaml").is_file() {
            Ok(Folder { path, _made: None })
        } else {
            Err(Error::NotInRepository(path))
        }
    }
}

// === impl Folder ===

impl Folder {
    pub(super) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// A folder that adds a component to this one, and removes itself.
    pub(super) fn with_component(&self, component: &str, namespace: &str) -> Result<Self, Error> {
        let component = Path::new(COMPONENTS).join(component);
        let made = tempfile::tempdir().map_err(|source| Error::Write {
            path: std::env::temp_dir(),
            source,
        })?;
        let absolute = |path: &Path| {
            let resolved = path.canonicalize();
            resolved.map_err(|_| Error::NotInRepository(path.to_owned()))
        };
        let from = absolute(made.path())?;
        let text = kustomization(
            namespace,
            &relative(&from, &absolute(&self.path)?),
            &relative(&from, &absolute(&component)?),
        );
        let path = from.join("kustomization.yaml");
        std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
        Ok(Self {
            path: from,
            _made: Some(made),
        })
    }

    /// The objects that it renders to.
    pub(super) async fn objects(&self, kubectl: &Kubectl) -> Result<Vec<Value>, Error> {
        let path = self.path();
        let rendered = kubectl
            .json(&["apply", "--dry-run=client", "--kustomize", &path])
            .await?;
        Ok(match rendered["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![rendered],
        })
    }
}

/// The name of the namespace that an overlay brings.
pub(super) fn namespace(objects: &[Value]) -> Option<&str> {
    let namespace = objects.iter().find(|it| it["kind"] == "Namespace")?;
    namespace["metadata"]["name"].as_str()
}

/// What the first has and the second has not, as `kind/name`.
pub(super) fn added(objects: &[Value], base: &[Value]) -> Vec<String> {
    let name = |it: &Value| {
        let kind = it["kind"].as_str().unwrap_or_default();
        let name = it["metadata"]["name"].as_str().unwrap_or_default();
        format!("{kind}/{name}")
    };
    let base: Vec<String> = base.iter().map(name).collect();
    let all = objects.iter().map(name);
    all.filter(|it| !base.contains(it)).collect()
}

fn kustomization(namespace: &str, base: &str, component: &str) -> String {
    format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\n\
         kind: Kustomization\n\
         namespace: {namespace}\n\
         resources:\n- {base}\n\
         components:\n- {component}\n"
    )
}

/// The way from a folder to another; both absolute, without links. kustomize takes no absolute paths.
fn relative(from: &Path, to: &Path) -> String {
    let shared = from.components().zip(to.components());
    let shared = shared.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_way_to_another_folder_is_relative() {
        let way = |from, to| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/tmp/a", "/home/me/k8s"), "../../home/me/k8s");
        assert_eq!(way("/repo/a/b", "/repo/c"), "../../c");
        assert_eq!(way("/repo", "/repo/k8s"), "k8s");
    }

    #[test]
    fn a_component_is_what_it_adds() {
        let object = |kind: &str, name: &str| json!({"kind": kind, "metadata": {"name": name}});
        let base = [object("Namespace", "shop"), object("Role", "a")];
        let all = [&base[..], &[object("Role", "b")]].concat();
        assert_eq!(added(&all, &base), ["Role/b"]);
        assert_eq!(namespace(&all), Some("shop"));
        assert_eq!(namespace(&[]), None);
    }
}
