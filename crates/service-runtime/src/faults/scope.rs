//! Whose calls meet a fault, and what an operator may call a method.

use std::fmt;
use std::sync::Arc;

use crate::methods::Method;

/// The scope of all methods, as it is written.
const ALL: &str = "*";

/// gRPC's own services: health, reflection, channelz. Whoever wants to see them fail has to name them,
/// because a replica whose health fails is taken away from the rehearsal.
const OWN: &str = "/grpc.";

/// A typing error looks this much like what was meant.
const SIMILAR: f64 = 0.6;

/// Whose calls meet a fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Those of every method that is served and has no fault of its own, without gRPC's own services.
    All,
    /// Those of one method, by its path: `/package.Service/Method`.
    Method(Arc<str>),
}

/// The server has no such method, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct UnknownMethod {
    /// What was asked for.
    asked: String,
    /// Which one it may have been.
    nearest: Option<String>,
    /// Those that it can be.
    candidates: Vec<String>,
}

/// The methods of the server.
#[derive(Debug)]
pub(super) struct Served(Vec<Arc<str>>);

// === impl Scope ===

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => ALL,
            Self::Method(path) => path.trim_start_matches('/'),
        })
    }
}

// === impl Served ===

impl Served {
    pub(super) fn new(methods: &[Method]) -> Self {
        Self(methods.iter().map(|it| it.path.as_str().into()).collect())
    }

    /// Whether [`Scope::All`] has this path in it.
    pub(super) fn in_all(&self, path: &str) -> bool {
        !path.starts_with(OWN) && self.0.iter().any(|it| **it == *path)
    }

    /// Whose calls are meant.
    pub(super) fn scope(&self, text: &str) -> Result<Scope, UnknownMethod> {
        if text == ALL {
            return Ok(Scope::All);
        }
        let asked = text.trim_start_matches('/');
        let named = self.0.iter().filter(|path| is_named(path, asked));
        let named: Vec<_> = named.collect();
        if let [path] = named.as_slice() {
            return Ok(Scope::Method(Arc::clone(path)));
        }
        let candidates = if named.is_empty() {
            self.0.iter().collect()
        } else {
            named
        };
        Err(UnknownMethod {
            asked: asked.to_owned(),
            nearest: nearest(asked, &candidates),
            candidates: candidates.into_iter().map(|it| shown(it)).collect(),
        })
    }
}

fn shown(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

/// The method alone.
fn short(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_named(path: &str, asked: &str) -> bool {
    path.trim_start_matches('/') == asked || short(path) == asked
}

/// The method that a typing error may have been.
fn nearest(asked: &str, candidates: &[&Arc<str>]) -> Option<String> {
    let wanted = short(asked);
    let scored = candidates.iter().map(|path| {
        let score = strsim::normalized_damerau_levenshtein(
            &wanted.to_lowercase(),
            &short(path).to_lowercase(),
        );
        (score, *path)
    });
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= SIMILAR)
        .map(|(_, path)| short(path).to_owned())
}

// === impl UnknownMethod ===

impl UnknownMethod {
    fn text(&self) -> String {
        let Self {
            asked,
            nearest,
            candidates,
        } = self;
        let are = candidates.join(", ");
        match nearest {
            Some(nearest) if nearest == asked => {
                format!("several methods are called {asked:?}; expected one of {are}")
            }
            Some(nearest) => format!(
                "no method {asked:?} is served here; did you mean {nearest:?}? It can be \"*\" for all, or one of {are}"
            ),
            None => format!(
                "no method {asked:?} is served here; expected \"*\" for all, or one of {are}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        let paths = [
            "/a.v1.Shop/Get",
            "/a.v1.Shop/List",
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/List",
        ];
        let method = |path: &str| Method {
            path: path.to_owned(),
            is_stream: false,
        };
        Served::new(&paths.map(method))
    }

    #[test]
    fn a_method_goes_by_its_short_name_or_the_whole() {
        let get = Scope::Method("/a.v1.Shop/Get".into());
        for text in ["Get", "a.v1.Shop/Get", "/a.v1.Shop/Get"] {
            assert_eq!(served().scope(text), Ok(get.clone()), "{text}");
        }
        assert_eq!(served().scope("*"), Ok(Scope::All));
        assert_eq!(get.to_string(), "a.v1.Shop/Get");
    }

    #[test]
    fn a_name_that_is_none_or_several_is_refused_with_the_names_that_are() {
        let nearest = served().scope("get").unwrap_err().to_string();
        assert!(nearest.contains("did you mean \"Get\"?"), "{nearest}");
        let several = served().scope("List").unwrap_err().to_string();
        let both = "expected one of a.v1.Shop/List, grpc.health.v1.Health/List";
        assert!(several.contains(both), "{several}");
        let none = served().scope("Frobnicate").unwrap_err().to_string();
        assert!(none.contains("a.v1.Shop/Get, a.v1.Shop/List"), "{none}");
        assert!(!none.contains("did you mean"), "{none}");
    }

    #[test]
    fn all_methods_are_those_that_are_served_without_grpcs_own() {
        for (path, is) in [
            ("/a.v1.Shop/Get", true),
            ("/a.v1.Shop/Nothing", false),
            ("/grpc.health.v1.Health/Check", false),
        ] {
            assert_eq!(served().in_all(path), is, "{path}");
        }
    }
}
