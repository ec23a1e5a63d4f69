//! Per-RPC credentials: what a call proves its caller by.
//!
//! Credentials are metadata that is made anew for each attempt of each call, so that one that has
//! expired is replaced without a new connection. They are the caller's secret: a channel sends them
//! over a secure connection only.

mod basic;
mod bearer_file;
mod function;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

pub use self::basic::{BasicCredentials, InvalidBasicCredentials};
pub use self::bearer_file::BearerTokenFile;
pub use self::function::{FromFn, from_fn};

/// Makes the metadata that a call is to be authenticated by.
///
/// An implementation answers at once most of the time, from what it has kept: every attempt of every
/// call waits for it. Its future may be dropped at any await, when a call is cancelled.
pub trait CallCredentials: Send + Sync + 'static {
    /// The metadata for one attempt of a call. It replaces what the caller itself has put under the
    /// same names.
    ///
    /// # Errors
    ///
    /// When there is none; the attempt then ends with the error's status.
    fn metadata<'a>(
        &'a self,
        call: &'a CallInfo,
    ) -> Pin<Box<dyn Future<Output = Result<MetadataMap, CredentialsError>> + Send + 'a>>;
}

/// What credentials are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallInfo(Uri);

/// Why there are no credentials for a call.
///
/// Its message reaches the caller of the call, so it must not hold a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there are no credentials for the call: {message}")]
pub struct CredentialsError {
    message: String,
    temporary: bool,
    source: Option<Source>,
}

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// The credentials of a channel.
#[derive(Clone)]
pub(crate) struct Credentials {
    source: Arc<dyn CallCredentials>,
    /// Whether the connection keeps them secret, or the builder was told that it need not.
    may_be_sent: bool,
}

// === impl CallInfo ===

impl CallInfo {
    /// The name of the server, as calls send it.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// The method, such as `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The service, such as `package.Service`.
    #[must_use]
    pub fn service(&self) -> &str {
        let path = self.path().trim_start_matches('/');
        path.rsplit_once('/').map_or("", |(service, _)| service)
    }
}

// === impl CredentialsError ===

impl CredentialsError {
    /// There are none at this moment, but there may be soon: the attempt ends with UNAVAILABLE, which
    /// a retry policy may retry.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            temporary: true,
            source: None,
        }
    }

    /// There are none until somebody changes something: the attempt ends with UNAUTHENTICATED.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            temporary: false,
            source: None,
        }
    }

    /// What it was caused by.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether there may be credentials soon.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    fn status(self) -> Status {
        let mut message = self.to_string();
        let mut source = std::error::Error::source(&self);
        while let Some(inner) = source {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            source = inner.source();
        }
        let code = if self.temporary {
            Code::Unavailable
        } else {
            Code::Unauthenticated
        };
        let mut status = Status::new(code, message);
        status.set_source(Arc::new(self));
        status
    }
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn new(source: Arc<dyn CallCredentials>, may_be_sent: bool) -> Self {
        Self {
            source,
            may_be_sent,
        }
    }

    /// Adds them to the headers of one attempt.
    pub(crate) async fn add(&self, headers: &mut HeaderMap, uri: &Uri) -> Result<(), Status> {
        if !self.may_be_sent {
            return Err(Status::unauthenticated(
                "the credentials of the call are not sent over a plaintext connection; use TLS",
            ));
        }
        let call = CallInfo(uri.clone());
        let metadata = self.source.metadata(&call).await;
        let mut metadata = metadata.map_err(CredentialsError::status)?.into_headers();
        for value in metadata.values_mut() {
            // It is left out of any Debug, and HPACK puts it into no table.
            value.set_sensitive(true);
        }
        for name in metadata.keys() {
            headers.remove(name);
        }
        // Of a name with several values only the first one comes with the name.
        let mut last = None;
        for (name, value) in metadata {
            last = name.or(last);
            if let Some(name) = &last {
                headers.append(name.clone(), value);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("may_be_sent", &self.may_be_sent)
            .finish_non_exhaustive()
    }
}
