//! Who may call what: one TOML file that says which permission each method needs, and who has it.
//! Whatever it does not say is denied.
//!
//! ```toml
//! [methods]
//! "/shop.v1.OrderService/GetOrder" = "orders.read"
//! "/shop.v1.OrderService/DeleteOrder" = "orders.write"
//!
//! [[grants]]                     # a name with a password
//! to = { basic = "reporting" }
//! permissions = ["orders.read"]
//!
//! [[grants]]                     # a token with this claim
//! to = { claim = { name = "scope", value = "orders:admin" } }
//! permissions = ["orders.read", "orders.write"]
//!
//! [[grants]]                     # a certificate with such a name
//! to = { san = "spiffe://cluster.local/ns/shop/sa/*" }
//! permissions = ["orders.read"]
//! ```
//!
//! Methods have no wildcards: a method that is new has to be thought about. The decision is pure.

mod pattern;

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _, HashSet};
use serde::Deserialize;

pub use self::pattern::{BadPattern, Pattern};
use super::caller::{Caller, Principal};
use crate::methods::Method;

/// A policy, arranged for the question that every call asks.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// By the method's path.
    rules: HashMap<String, Rule>,
}

/// What a policy says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The caller has the permission.
    Permitted,
    /// It lacks this one.
    Missing(&'a str),
    /// The policy does not know the method.
    NotCovered,
}

/// Not a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not TOML, or TOML of another shape.
    #[error("expected a policy in TOML, with [methods] and [[grants]]")]
    Syntax(#[from] toml::de::Error),
    /// A method is not written as HTTP/2 writes it.
    #[error("expected /package.Service/Method instead of {method:?}")]
    Method {
        /// What is written.
        method: String,
    },
    /// A permission has no name.
    #[error("expected the name of a permission for {of}")]
    Permission {
        /// Where it is missing.
        of: String,
    },
    /// The names of certificates are not described as they can be.
    #[error("{pattern:?} describes no names of certificates")]
    Pattern {
        /// What is written.
        pattern: String,
        /// What is wrong with it.
        source: BadPattern,
    },
}

/// Which permission a method needs, and who has it.
#[derive(Clone, Debug, Default)]
struct Rule {
    permission: String,
    names: HashSet<String>,
    claims: HashMap<String, HashSet<String>>,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    methods: BTreeMap<String, String>,
    #[serde(default)]
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    to: Subject,
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Subject {
    Basic(String),
    Claim { name: String, value: String },
    San(String),
}

// === impl Policy ===

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let File { methods, grants } = toml::from_str(text)?;
        let mut rules = HashMap::new();
        for (method, permission) in methods {
            if !is_method(&method) {
                return Err(PolicyError::Method { method });
            }
            if permission.is_empty() {
                return Err(PolicyError::Permission { of: method });
            }
            let rule = Rule {
                permission,
                ..Rule::default()
            };
            rules.insert(method, rule);
        }
        for Grant { to, permissions } in grants {
            if permissions.iter().any(String::is_empty) {
                return Err(PolicyError::Permission {
                    of: "a grant".to_owned(),
                });
            }
            let pattern = match &to {
                Subject::San(text) => {
                    Some(Pattern::parse(text).map_err(|source| PolicyError::Pattern {
                        pattern: text.clone(),
                        source,
                    })?)
                }
                _ => None,
            };
            for rule in rules.values_mut() {
                if permissions.contains(&rule.permission) {
                    rule.add(&to, pattern.as_ref());
                }
            }
        }
        Ok(Self { rules })
    }

    /// Whether this caller may call the method of this path.
    #[must_use]
    pub fn decide(&self, caller: &Caller, path: &str) -> Decision<'_> {
        match self.rules.get(path) {
            None => Decision::NotCovered,
            Some(rule) if rule.permits(caller.principal()) => Decision::Permitted,
            Some(rule) => Decision::Missing(&rule.permission),
        }
    }

    /// The methods that it says nothing about.
    #[must_use]
    pub fn uncovered<'a>(&self, methods: &'a [Method]) -> Vec<&'a str> {
        methods
            .iter()
            .map(|method| method.path.as_str())
            .filter(|path| !self.rules.contains_key(*path))
            .collect()
    }
}

fn is_method(text: &str) -> bool {
    let mut parts = text.split('/');
    let [root, service, method] = [parts.next(), parts.next(), parts.next()];
    let is_name = |part: Option<&str>| {
        part.is_some_and(|it| {
            !it.is_empty()
                && it
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.'))
        })
    };
    root == Some("") && is_name(service) && is_name(method) && parts.next().is_none()
}

// === impl Rule ===

impl Rule {
    fn add(&mut self, to: &Subject, pattern: Option<&Pattern>) {
        match to {
            Subject::Basic(name) => {
                self.names.insert(name.clone());
            }
            Subject::Claim { name, value } => {
                let values = self.claims.entry(name.clone()).or_default();
                values.insert(value.clone());
            }
            Subject::San(_) => self.patterns.extend(pattern.cloned()),
        }
    }

    fn permits(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Basic { name } => self.names.contains(name),
            Principal::Jwt { claims, .. } => self.claims.iter().any(|(name, values)| {
                let claimed = claims.get(name).map(Vec::as_slice).unwrap_or_default();
                claimed.iter().any(|value| values.contains(value))
            }),
            Principal::Mtls(peer) => {
                let id = peer.spiffe_id.as_ref().map(ToString::to_string);
                self.patterns.iter().any(|pattern| {
                    id.as_ref().is_some_and(|id| pattern.matches_spiffe(id))
                        || peer.dns_names.iter().any(|name| pattern.matches_dns(name))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
