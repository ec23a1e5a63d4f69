//! The Basic scheme of HTTP: a name and a password.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::{CallCredentials, CallInfo, CredentialsError};

/// A name and a password, sent as `authorization: Basic …` ([RFC 7617]) in UTF-8.
///
/// [RFC 7617]: https://www.rfc-editor.org/rfc/rfc7617
#[derive(Clone)]
pub struct BasicCredentials(MetadataValue<Ascii>);

/// A name or a password that the Basic scheme cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name without a colon and without control characters, and such a password")]
#[non_exhaustive]
pub struct InvalidBasicCredentials;

// === impl BasicCredentials ===

impl BasicCredentials {
    /// # Errors
    ///
    /// When the name has a colon, or either has a control character: RFC 7617 forbids them.
    pub fn new(name: &str, password: &str) -> Result<Self, InvalidBasicCredentials> {
        let forbidden = |text: &str| text.chars().any(char::is_control);
        if name.contains(':') || forbidden(name) || forbidden(password) {
            return Err(InvalidBasicCredentials);
        }
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        let value = format!("Basic {encoded}").parse();
        value.map(Self).map_err(|_| InvalidBasicCredentials)
    }
}

impl CallCredentials for BasicCredentials {
    fn metadata<'a>(
        &'a self,
        _: &'a CallInfo,
    ) -> Pin<Box<dyn Future<Output = Result<MetadataMap, CredentialsError>> + Send + 'a>> {
        let mut metadata = MetadataMap::with_capacity(1);
        metadata.insert("authorization", self.0.clone());
        Box::pin(ready(Ok(metadata)))
    }
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_encoded_as_there() {
        let credentials = BasicCredentials::new("Aladdin", "open sesame").unwrap();
        assert_eq!(credentials.0, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{credentials:?}"), "BasicCredentials { .. }");
    }

    #[test]
    fn what_the_scheme_cannot_carry_is_refused() {
        for (name, password) in [("a:b", "c"), ("a\n", "c"), ("a", "\u{7f}")] {
            assert!(BasicCredentials::new(name, password).is_err(), "{name:?}");
        }
        assert!(BasicCredentials::new("", "with:colon").is_ok());
    }
}
