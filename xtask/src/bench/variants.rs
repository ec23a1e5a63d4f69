//! Other builds and other settings of the measured server, each as one more row: how a choice is measured.

use std::path::PathBuf;
use std::str::FromStr;

/// The measured server in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: String,
    /// `None` is the one that is built here.
    pub(super) program: Option<PathBuf>,
    /// As its own `--set` has them.
    pub(super) settings: Vec<String>,
}

/// What is no variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected NAME: and then program=PATH, or settings such as server.tcp_nodelay=false, or both"
)]
pub(super) struct NoVariant;

impl FromStr for Variant {
    type Err = NoVariant;

    fn from_str(text: &str) -> Result<Self, NoVariant> {
        let (name, rest) = text.split_once(':').ok_or(NoVariant)?;
        let mut variant = Self {
            name: name.trim().to_owned(),
            program: None,
            settings: Vec::new(),
        };
        for word in rest.split_whitespace() {
            match word.split_once('=').ok_or(NoVariant)? {
                ("program", path) => {
                    // It is started in another folder.
                    let path = std::path::absolute(path).map_err(|_| NoVariant)?;
                    variant.program = Some(path);
                }
                _ => variant.settings.push(word.to_owned()),
            }
        }
        let says_something = variant.program.is_some() || !variant.settings.is_empty();
        let is_one = says_something && !variant.name.is_empty();
        is_one.then_some(variant).ok_or(NoVariant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_another_program_or_has_other_settings_or_both() {
        let both: Variant = "small: program=/tmp/server server.tcp_nodelay=false a.b=1"
            .parse()
            .unwrap();
        assert_eq!(both.name, "small");
        assert_eq!(both.program, Some(PathBuf::from("/tmp/server")));
        assert_eq!(both.settings, ["server.tcp_nodelay=false", "a.b=1"]);
        let one: Variant = "small: a.b=1".parse().unwrap();
        assert_eq!(
            (one.program, one.settings),
            (None, vec!["a.b=1".to_owned()])
        );
        for wrong in ["", "small", "small:", ": a.b=1", "small: a.b"] {
            assert_eq!(wrong.parse::<Variant>(), Err(NoVariant), "{wrong}");
        }
    }
}
