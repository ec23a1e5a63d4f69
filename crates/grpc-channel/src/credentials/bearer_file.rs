//! A bearer token from a file that somebody else keeps fresh.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::{CallCredentials, CallInfo, CredentialsError};

/// How long what was read is used without looking again.
const FRESH: Duration = Duration::from_secs(1);

/// A token in a file, sent as `authorization: Bearer …` ([RFC 6750]); white space around it is left
/// out.
///
/// The file is read by calls until there is a token, and from then on by one call in an interval, 1 s
/// unless it is set. It is read by its path and as a whole each time, so a token that is replaced by
/// a new link, as Kubernetes does with projected tokens and secrets, is found. While the file cannot
/// be read or has no token in it, the last token is used, and a warning is logged; without one, calls
/// end with UNAVAILABLE when it cannot be read and with UNAUTHENTICATED when it has no token (gRFC
/// A97).
///
/// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
pub struct BearerTokenFile {
    path: PathBuf,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<MetadataValue<Ascii>>,
    /// When the file was last asked for, whatever it gave.
    asked: Option<Instant>,
}

// === impl BearerTokenFile ===

impl BearerTokenFile {
    /// Reads nothing yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            interval: FRESH,
            state: Mutex::default(),
        }
    }

    /// For how long what was read is used without looking again. Default: 1 s.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    async fn token(&self) -> Result<MetadataValue<Ascii>, CredentialsError> {
        {
            let mut state = self.lock();
            let now = Instant::now();
            let fresh = state
                .asked
                .is_some_and(|asked| now.duration_since(asked) < self.interval);
            if let Some(token) = state.token.clone().filter(|_| fresh) {
                return Ok(token);
            }
            // While one call reads the file, the others use what was read before.
            if state.token.is_some() {
                state.asked = Some(now);
            }
        }
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        let parsed = parse(&self.path, read);
        let mut state = self.lock();
        state.asked = Some(Instant::now());
        match (parsed, &state.token) {
            (Ok(token), _) => {
                state.token = Some(token.clone());
                Ok(token)
            }
            (Err(error), Some(token)) => {
                tracing::warn!(%error, "the token that was read before is used");
                Ok(token.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header's value, of what a file gave.
fn parse(path: &Path, read: io::Result<String>) -> Result<MetadataValue<Ascii>, CredentialsError> {
    let path = path.display();
    let unusable = |what| CredentialsError::permanent(format!("the token file {path} {what}"));
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(unusable("is not text"));
        }
        Err(error) => {
            let message = format!("the token file {path} cannot be read");
            return Err(CredentialsError::temporary(message).caused_by(error));
        }
    };
    match text.trim() {
        "" => Err(unusable("is empty")),
        token if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(unusable("holds more than one token"))
        }
        token => {
            let value = format!("Bearer {token}").parse();
            value.map_err(|_| unusable("holds no token"))
        }
    }
}

impl CallCredentials for BearerTokenFile {
    fn metadata<'a>(
        &'a self,
        _: &'a CallInfo,
    ) -> Pin<Box<dyn Future<Output = Result<MetadataMap, CredentialsError>> + Send + 'a>> {
        Box::pin(async {
            let mut metadata = MetadataMap::with_capacity(1);
            metadata.insert("authorization", self.token().await?);
            Ok(metadata)
        })
    }
}

impl fmt::Debug for BearerTokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerTokenFile")
            .field("path", &self.path)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(read: io::Result<&str>) -> Result<MetadataValue<Ascii>, CredentialsError> {
        super::parse(Path::new("/token"), read.map(str::to_owned))
    }

    #[test]
    fn white_space_around_a_token_is_left_out() {
        assert_eq!(parse(Ok(" a.b-c\n")).unwrap(), "Bearer a.b-c");
    }

    #[test]
    fn a_file_without_a_token_is_a_lasting_error_and_one_that_cannot_be_read_a_passing_one() {
        for text in ["", "\n", "two tokens", "not-ascii-é"] {
            let error = parse(Ok(text)).unwrap_err();
            assert!(!error.is_temporary(), "{error}");
            let secret = text.trim();
            assert!(
                secret.is_empty() || !error.to_string().contains(secret),
                "{error}"
            );
        }
        let error = parse(Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(error.is_temporary());
        assert_eq!(
            error.to_string(),
            "there are no credentials for the call: the token file /token cannot be read"
        );
    }
}
