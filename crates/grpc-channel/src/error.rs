//! The error of making a channel.

use std::sync::Arc;

use crate::method::DescriptorError;
use crate::service_config::ServiceConfigError;
use crate::target::TargetError;

/// Why a channel cannot be made.
///
/// It is opaque and cheap to clone. Calls fail with a [`tonic::Status`] instead; what made a call
/// fail is that status's [`source`](std::error::Error::source), as a [`crate::Disconnect`] or a
/// [`crate::resolver::ResolveError`].
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Kind>);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Target(TargetError),
    #[error(transparent)]
    Descriptors(DescriptorError),
    #[error(transparent)]
    ServiceConfig(ServiceConfigError),
    #[error("the setting {name} is not valid: expected {expected}")]
    Setting {
        name: &'static str,
        expected: &'static str,
    },
    #[error("fallback number {number} cannot be used")]
    Fallback { number: usize, source: Error },
    #[error("there is no tokio runtime; Builder::connect must be called inside of one")]
    NoRuntime,
}

// === impl Error ===

impl Error {
    /// Whether the target, or a fallback, could not be understood.
    #[must_use]
    pub fn is_bad_target(&self) -> bool {
        match &*self.0 {
            Kind::Target(_) => true,
            Kind::Fallback { source, .. } => source.is_bad_target(),
            _ => false,
        }
    }

    pub(crate) fn setting(name: &'static str, expected: &'static str) -> Self {
        Self(Arc::new(Kind::Setting { name, expected }))
    }

    /// What is wrong with a fallback, counted from 1.
    pub(crate) fn fallback(number: usize, source: Self) -> Self {
        Self(Arc::new(Kind::Fallback { number, source }))
    }

    pub(crate) fn no_runtime() -> Self {
        Self(Arc::new(Kind::NoRuntime))
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self(Arc::new(Kind::Target(error)))
    }
}

impl From<DescriptorError> for Error {
    fn from(error: DescriptorError) -> Self {
        Self(Arc::new(Kind::Descriptors(error)))
    }
}

impl From<ServiceConfigError> for Error {
    fn from(error: ServiceConfigError) -> Self {
        Self(Arc::new(Kind::ServiceConfig(error)))
    }
}
