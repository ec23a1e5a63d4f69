//! The manifests: which overlays and components there are, and what kustomize makes of them.
//!
//! kustomize is run on a copy, so that a component can be added to an overlay in the way in which an
//! operator adds one (by a line in its kustomization), and so that what a component needs and the
//! repository must not have (certificates) can be put there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certs;

use super::error::{Error, reading, writing};
use super::object::list;
use super::tool::{KUBECTL, KUSTOMIZE, Tool};

/// The folders that a render is made of.
const FOLDERS: [&str; 2] = ["k8s", "kustomize"];

const OVERLAYS: &str = "kustomize/overlays";
const COMPONENTS: &str = "kustomize/components";
const KUSTOMIZATION: &str = "kustomization.yaml";

/// The component with certificates that are not from an issuer, and where it has them.
pub(crate) const DEV_CERTS: &str = "dev-certs";
const CERTIFICATES: &str = "made-by-cargo-xtask-certs";

/// The component whose names hold the namespace, and the transformer that puts it there.
const NAMESPACED: (&str, &str) = ("cert-manager", "namespaced-names");

/// The namespace of the overlay that has them.
const CERTIFIED: &str = "user-mtls";

/// A copy of the manifests.
#[derive(Debug)]
pub(crate) struct Tree {
    folder: TempDir,
    tool: Tool,
    /// The names of the overlays.
    pub(crate) overlays: Vec<String>,
    /// The names of the components.
    pub(crate) components: Vec<String>,
}

/// What is to be rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The overlay.
    pub(crate) overlay: String,
    /// Components that are added to it, in this order.
    pub(crate) components: Vec<String>,
    /// What is put before every name.
    pub(crate) prefix: Option<&'static str>,
}

/// What came of a plan: YAML, or what kustomize said instead.
pub(crate) type Rendered = Result<String, String>;

// === impl Plan ===

impl Plan {
    /// An overlay as it is.
    pub(crate) fn overlay(name: &str) -> Self {
        Self {
            overlay: name.to_owned(),
            ..Self::default()
        }
    }

    /// With these components too.
    pub(crate) fn with(name: &str, components: &[&str]) -> Self {
        Self {
            components: components.iter().map(|&it| it.to_owned()).collect(),
            ..Self::overlay(name)
        }
    }

    /// For messages: `plain + monitoring`.
    pub(crate) fn name(&self) -> String {
        let mut name = self.overlay.clone();
        for component in &self.components {
            name = format!("{name} + {component}");
        }
        if let Some(prefix) = self.prefix {
            name = format!("{name} with namePrefix {prefix}");
        }
        name
    }
}

// === impl Tree ===

impl Tree {
    /// Copies the manifests of a repository. `None` when nothing is here that could render them.
    pub(crate) fn copy(root: &Path) -> Result<Option<Self>, Error> {
        let Some(tool) = [KUBECTL, KUSTOMIZE]
            .into_iter()
            .find(|tool| tool.find().is_some())
        else {
            return Ok(None);
        };
        let folder = tempfile::tempdir().map_err(writing(std::env::temp_dir()))?;
        for name in FOLDERS {
            copy(&root.join(name), &folder.path().join(name))?;
        }
        certificates(folder.path())?;
        let overlays = kustomizations(&folder.path().join(OVERLAYS))?;
        let components = kustomizations(&folder.path().join(COMPONENTS))?;
        Ok(Some(Self {
            folder,
            tool,
            overlays,
            components,
        }))
    }

    /// Where the copy is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The files of this name in the folders of the components.
    pub(crate) fn files_of_components(&self, name: &str) -> Result<Vec<PathBuf>, Error> {
        let folder = self.path().join(COMPONENTS);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(reading(&folder))? {
            let file = entry.map_err(reading(&folder))?.path().join(name);
            if file.is_file() {
                found.push(file);
            }
        }
        found.sort();
        Ok(found)
    }

    /// The components that an overlay has, itself or by another overlay.
    pub(crate) fn has(&self, overlay: &str) -> Result<BTreeSet<String>, Error> {
        let mut found = BTreeSet::new();
        collect(&self.path().join(OVERLAYS).join(overlay), &mut found)?;
        Ok(found)
    }

    /// Renders all plans, as many at a time as there are processors; the results are in their order.
    pub(crate) fn render(&self, plans: &[Plan]) -> Result<Vec<Rendered>, Error> {
        let workers = thread::available_parallelism().map_or(2, usize::from);
        let next = Mutex::new(plans.iter().enumerate());
        let results = Mutex::new(Vec::with_capacity(plans.len()));
        thread::scope(|scope| {
            for _ in 0..workers.min(plans.len()) {
                scope.spawn(|| {
                    loop {
                        let work = next.lock().ok().and_then(|mut it| it.next());
                        let Some((index, plan)) = work else { break };
                        let result = self.render_one(index, plan);
                        if let Ok(mut results) = results.lock() {
                            results.push((index, result));
                        }
                    }
                });
            }
        });
        let mut results = results
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn render_one(&self, index: usize, plan: &Plan) -> Result<Rendered, Error> {
        let original = self.path().join(OVERLAYS).join(&plan.overlay);
        if plan.components.is_empty() && plan.prefix.is_none() {
            return self.kustomize(&original);
        }
        // Beside the original, so that every relative path in it still leads to the same place.
        let name = original.file_name().unwrap_or_default().to_string_lossy();
        let folder = original.with_file_name(format!("{name}.{index}"));
        copy(&original, &folder)?;
        let file = folder.join(KUSTOMIZATION);
        let mut kustomization = read(&file)?;
        extend(&mut kustomization, plan);
        fs::write(&file, kustomization.to_string()).map_err(writing(&file))?;
        let result = self.kustomize(&folder);
        fs::remove_dir_all(&folder).map_err(writing(&folder))?;
        result
    }

    fn kustomize(&self, folder: &Path) -> Result<Rendered, Error> {
        let verb = if self.tool.name == KUBECTL.name {
            "kustomize"
        } else {
            "build"
        };
        let output = Command::new(self.tool.name)
            .arg(verb)
            .arg(folder)
            .output()
            .map_err(|source| Error::Start {
                program: self.tool.name,
                source,
            })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            let copied = format!("{}/", self.path().display());
            Err(text(&output.stderr).trim().replace(&copied, ""))
        })
    }
}

/// Makes the certificates that `components/dev-certs` reads and the repository does not have.
fn certificates(root: &Path) -> Result<(), Error> {
    let component = root.join(COMPONENTS).join(DEV_CERTS);
    if !component.is_dir() {
        return Ok(());
    }
    let folder = component.join(CERTIFICATES);
    if folder.is_dir() {
        // Those of the operator's own, for whatever namespace.
        fs::remove_dir_all(&folder).map_err(writing(&folder))?;
    }
    certs::make(&folder, CERTIFIED).map_err(Error::Certificates)
}

/// Does what an operator would do with an editor.
fn extend(kustomization: &mut Value, plan: &Plan) {
    let up = "../".repeat(plan.overlay.split('/').count() + 1);
    let added = plan.components.iter();
    let added = added.map(|name| json!(format!("{up}components/{name}")));
    let Some(fields) = kustomization.as_object_mut() else {
        return;
    };
    let components = fields.entry("components").or_insert_with(|| json!([]));
    if let Some(components) = components.as_array_mut() {
        components.extend(added);
    }
    // As the README of that component says.
    if plan.components.iter().any(|it| it == NAMESPACED.0) {
        let transformers = fields.entry("transformers").or_insert_with(|| json!([]));
        let transformer = json!(format!("{up}{}", NAMESPACED.1));
        if let Some(transformers) = transformers.as_array_mut()
            && !transformers.contains(&transformer)
        {
            transformers.push(transformer);
        }
    }
    if let Some(prefix) = plan.prefix {
        fields.insert("namePrefix".to_owned(), json!(prefix));
    }
}

fn read(file: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(file).map_err(reading(file))?;
    serde_saphyr::from_str(&text).map_err(|source| Error::Kustomization {
        path: file.to_owned(),
        source: source.into(),
    })
}

/// The names of the folders that hold a kustomization, and of those within them.
fn kustomizations(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading(folder))? {
        let path = entry.map_err(reading(folder))?.path();
        if path.join(KUSTOMIZATION).is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let within = kustomizations(&path)?;
            names.extend(within.into_iter().map(|it| format!("{name}/{it}")));
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(writing(to))?;
    for entry in fs::read_dir(from).map_err(reading(from))? {
        let from: PathBuf = entry.map_err(reading(from))?.path();
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).map_err(writing(&to))?;
        }
    }
    Ok(())
}

/// Adds the components that the kustomization of a folder names, and those of what it names.
fn collect(folder: &Path, found: &mut BTreeSet<String>) -> Result<(), Error> {
    let kustomization = read(&folder.join(KUSTOMIZATION))?;
    for field in ["/resources", "/components"] {
        for entry in list(&kustomization, field).iter().filter_map(Value::as_str) {
            let Ok(path) = folder.join(entry).canonicalize() else {
                // Neither a file nor a folder: kustomize says it better than we could.
                continue;
            };
            if !path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.parent().is_some_and(|it| it.ends_with(COMPONENTS)) {
                found.insert(name.into_owned());
            }
            collect(&path, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_added_behind_those_that_are_there() {
        let mut kustomization = json!({"components": ["../../components/a"]});
        let plan = Plan {
            prefix: Some("x-"),
            ..Plan::with("plain", &["b", "c"])
        };
        extend(&mut kustomization, &plan);
        assert_eq!(
            kustomization,
            json!({
                "components": ["../../components/a", "../../components/b", "../../components/c"],
                "namePrefix": "x-",
            })
        );
        assert_eq!(plan.name(), "plain + b + c with namePrefix x-");
    }
}
