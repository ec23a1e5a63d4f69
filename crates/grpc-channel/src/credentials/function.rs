//! Credentials that a function of the caller's makes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tonic::metadata::MetadataMap;

use super::{CallCredentials, CallInfo, CredentialsError};

/// See [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F>(F);

/// Makes credentials of an asynchronous function, which is called for every attempt.
///
/// ```
/// use grpc_channel::credentials::{CredentialsError, from_fn};
/// use tonic::metadata::MetadataMap;
///
/// let credentials = from_fn(|call| async move {
///     let token = format!("Bearer token-for-{}", call.authority());
///     let token = token.parse().map_err(|error| {
///         CredentialsError::permanent("the token is no metadata").caused_by(error)
///     })?;
///     let mut metadata = MetadataMap::new();
///     metadata.insert("authorization", token);
///     Ok(metadata)
/// });
/// # let _ = grpc_channel::Channel::builder("dns:///echo:50051").credentials(credentials);
/// ```
pub fn from_fn<F, R>(function: F) -> FromFn<F>
where
    F: Fn(CallInfo) -> R + Send + Sync + 'static,
    R: Future<Output = Result<MetadataMap, CredentialsError>> + Send,
{
    FromFn(function)
}

// === impl FromFn ===

impl<F, R> CallCredentials for FromFn<F>
where
    F: Fn(CallInfo) -> R + Send + Sync + 'static,
    R: Future<Output = Result<MetadataMap, CredentialsError>> + Send,
{
    fn metadata<'a>(
        &'a self,
        call: &'a CallInfo,
    ) -> Pin<Box<dyn Future<Output = Result<MetadataMap, CredentialsError>> + Send + 'a>> {
        Box::pin(async move { (self.0)(call.clone()).await })
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}
