//! The settings of a process: built-in defaults, a TOML file, the environment and flags, merged in
//! this order; each layer overrides the ones before it, value by value.
//!
//! A service that starts with a setting it did not understand is a failure that shows later and
//! elsewhere; therefore everything unknown or unacceptable is an [`Error`] that lists every problem
//! with its key, its layer and what was expected.
//!
//! The keys are those of the serialized default settings, so every key needs a default that
//! serializes (`"off"` rather than `None`), and there is nothing to register.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use service_runtime::settings::{Loader, Settings, Violations};
//!
//! #[derive(Debug, Deserialize, Serialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Shop {
//!     workers: u16,
//! }
//!
//! impl Default for Shop {
//!     fn default() -> Self {
//!         Self { workers: 4 }
//!     }
//! }
//!
//! impl Settings for Shop {
//!     fn validate(&self, violations: &mut Violations) {
//!         violations.expect(self.workers > 0, "workers", "at least 1");
//!     }
//! }
//!
//! let loaded = Loader::new("SHOP")
//!     .environment([("SHOP__WORKERS".into(), "8".into())])
//!     .load::<Shop>()?;
//! assert_eq!(loaded.settings.workers, 8);
//!
//! let error = Loader::new("SHOP")
//!     .environment([("SHOP__WORKER".into(), "8".into())])
//!     .load::<Shop>()
//!     .unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "1 problem in the settings:\n  \
//!      worker (environment variable SHOP__WORKER): unknown key; did you mean workers?"
//! );
//! # Ok::<(), service_runtime::settings::Error>(())
//! ```

pub mod address;
pub mod duration;
mod error;
mod layer;
mod merge;
mod origin;
mod print;
mod schema;
mod secret;
mod violations;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::{Error, Problem, ProblemKind};
pub use self::origin::Origin;
pub use self::secret::{CredentialUrl, NotAUrl, Secret};
pub use self::violations::Violations;

/// A settings tree: `#[serde(default, deny_unknown_fields)]` on every struct of it.
pub trait Settings: DeserializeOwned + Serialize + Default {
    /// Checks the rules that the types of single values cannot hold.
    fn validate(&self, violations: &mut Violations);
}

/// Collects the layers and loads the settings from them.
#[derive(Debug)]
pub struct Loader {
    prefix: &'static str,
    well_known: Vec<WellKnown>,
    file: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    flags: Vec<Flag>,
}

/// An environment variable that is not ours, but says what a setting is when nothing else does.
#[derive(Clone, Copy, Debug)]
struct WellKnown {
    variable: &'static str,
    key: &'static str,
}

/// One setting from the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As it is typed, for messages: `--address`.
    pub name: String,
    /// The key that it sets.
    pub key: String,
    /// Its value.
    pub value: OsString,
}

/// Settings that were accepted, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded<S> {
    /// The settings.
    pub settings: S,
    origins: BTreeMap<String, Origin>,
}

// === impl Loader ===

impl Loader {
    /// A loader with the defaults only. `prefix` begins the names of the environment variables:
    /// `SHOP` makes `SHOP__SERVER__ADDRESS` set `server.address`, and `SHOP_CONFIG` name the file.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            well_known: Vec::new(),
            file: None,
            variables: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Adds the environment of this process.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self.environment(std::env::vars_os())
    }

    /// Adds these variables as the environment.
    #[must_use]
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        self.variables.extend(variables);
        self
    }

    /// Takes a key from a variable that others set, such as `HOSTNAME`, unless the file, the
    /// environment under our prefix or a flag sets it. Of several, the last one that exists wins; an
    /// empty one does not count.
    #[must_use]
    pub fn well_known(mut self, variable: &'static str, key: &'static str) -> Self {
        self.well_known.push(WellKnown { variable, key });
        self
    }

    /// Adds a TOML file; it takes the place of the one that `PREFIX_CONFIG` names.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Adds one setting from the command line; the last one for a key wins.
    #[must_use]
    pub fn flag(mut self, flag: Flag) -> Self {
        self.flags.push(flag);
        self
    }

    /// Loads the settings. Reads the file, and nothing else: no port is bound, nothing is connected.
    ///
    /// # Errors
    /// With every problem of every layer.
    pub fn load<S: Settings>(self) -> Result<Loaded<S>, Error> {
        let mut problems = Vec::new();
        let defaults = serde_json::to_value(S::default()).map_err(|error| {
            Error::new(vec![Problem {
                key: None,
                origin: Origin::Default,
                kind: ProblemKind::Unreadable {
                    message: error.to_string(),
                },
            }])
        })?;
        let schema = schema::Schema::of(&defaults);

        let mut layers = vec![
            layer::defaults(&schema),
            layer::well_known(&schema, &self.well_known, &self.variables, &mut problems),
        ];
        if let Some(path) = self.file.clone().or_else(|| self.file_of_environment()) {
            layers.push(layer::file(&path, &mut problems));
        }
        layers.push(layer::environment(
            self.prefix,
            &schema,
            &self.variables,
            &mut problems,
        ));
        layers.push(layer::flags(&schema, &self.flags, &mut problems));

        match merge::merge(&schema, layers, &mut problems) {
            Some((settings, origins)) if problems.is_empty() => Ok(Loaded { settings, origins }),
            _ => Err(Error::new(problems)),
        }
    }

    fn file_of_environment(&self) -> Option<PathBuf> {
        let name = format!("{}_CONFIG", self.prefix);
        self.variables
            .iter()
            .find(|(key, value)| key.to_str() == Some(name.as_str()) && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value))
    }
}

// === impl Loaded ===

impl<S: Settings> Loaded<S> {
    /// Where the value of a dotted key came from; the default when nothing set it.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// The effective settings as TOML, each value with a comment that names its layer, secrets
    /// masked.
    ///
    /// # Errors
    /// When a value has no form in TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(print::annotate(
            &toml::to_string(&self.settings)?,
            &self.origins,
        ))
    }
}

#[cfg(test)]
mod tests;
