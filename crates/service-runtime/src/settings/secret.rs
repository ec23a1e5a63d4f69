//! Values that are used but never shown: they are masked wherever they could be printed, so that
//! `config print`, logs and errors cannot leak them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

const MASK: &str = "[masked]";

/// A text that is never shown: `Debug` and `Serialize` write `[masked]` (nothing when it is empty),
/// and the memory is wiped when it is dropped.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

/// A URL that may carry a password, such as a database's. `Debug`, `Display` and `Serialize` show
/// everything but the password; [`CredentialUrl::expose`] gives all of it.
#[derive(Clone)]
pub struct CredentialUrl {
    full: Secret,
    shown: String,
    scheme: String,
}

/// Not a URL. The text is not part of the message, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a URL with a scheme, such as sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME"
)]
pub struct NotAUrl;

// === impl Secret ===

impl Secret {
    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.expose().is_empty() { "" } else { MASK })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self::from)
            .map_err(|_| D::Error::custom("expected a text"))
    }
}

// === impl CredentialUrl ===

impl CredentialUrl {
    /// A URL that is part of the program, and therefore holds no secret.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        Self {
            full: text.to_owned().into(),
            shown: text.to_owned(),
            scheme: text.split(':').next().unwrap_or_default().to_owned(),
        }
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// When the text has no scheme or is no URL otherwise.
    pub fn parse(text: &str) -> Result<Self, NotAUrl> {
        let mut url = Url::parse(text).map_err(|_| NotAUrl)?;
        let scheme = url.scheme().to_owned();
        let has_query_secret = url.query_pairs().any(|(key, _)| key.contains("password"));
        // The text is shown as it was written, so that the operator recognises it, unless it holds
        // something that must not be shown.
        let shown = if url.password().is_some() || has_query_secret {
            if url.password().is_some() {
                url.set_password(Some("masked")).map_err(|()| NotAUrl)?;
            }
            if has_query_secret {
                url.set_query(Some("masked"));
            }
            url.to_string()
        } else {
            text.to_owned()
        };
        Ok(Self {
            full: text.to_owned().into(),
            shown,
            scheme,
        })
    }

    /// The whole URL, password included, for the one place that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.full.expose()
    }

    /// What stands before the first colon, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
}

impl fmt::Display for CredentialUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for CredentialUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Serialize for CredentialUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

impl<'de> Deserialize<'de> for CredentialUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer).map_err(|_| D::Error::custom(NotAUrl))?;
        Self::parse(text.expose()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_written() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "[masked]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[masked]\"");
    }

    #[test]
    fn a_url_shows_everything_but_its_password() {
        for (text, shown) in [
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite://data/x.sqlite", "sqlite://data/x.sqlite"),
            (
                "postgres://app:hunter2@db/app",
                "postgres://app:masked@db/app",
            ),
            (
                "postgres://app@db/app?password=hunter2",
                "postgres://app@db/app?masked",
            ),
        ] {
            let url = CredentialUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(
                url.expose(),
                text,
                "the real URL must stay as it was written"
            );
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn an_unreadable_url_is_not_repeated_in_the_error() {
        let error = CredentialUrl::parse("app:hunter2 @db").err();
        assert!(error.is_none_or(|error| !error.to_string().contains("hunter2")));
        assert_eq!(CredentialUrl::parse("no scheme").unwrap_err(), NotAUrl);
    }
}
