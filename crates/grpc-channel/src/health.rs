//! Client-side health checks (gRFC [A17]): whether a replica that is connected wants calls.
//!
//! A replica can accept connections and not be able to serve, for example because its database is
//! away. It knows that best, so each subchannel watches what its own replica says, over its own
//! connection.
//!
//! [A17]: https://github.com/grpc/proposal/blob/master/A17-client-side-health-checking.md

mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme};
use tonic::Code;

use crate::backoff::{Attempts, Backoff};
use crate::transport::Connection;

/// The pause after a watch that worked for a while. A17 allows to begin another at once; this keeps
/// a server that ends each watch at once from a busy loop.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a replica that is connected gets no calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The replica says that it does not serve.
    #[error("not serving")]
    NotServing,
    /// The replica does not know the service that its health was asked for.
    #[error("its health service does not know the service {service:?}")]
    ServiceUnknown {
        /// The name that was asked for.
        service: String,
    },
    /// The replica does not tell; it is asked again.
    #[error("its health cannot be watched: {code:?}: {message}")]
    Watch {
        /// The code that the watch ended with.
        code: Code,
        /// Its message.
        message: String,
    },
}

/// What is known of a replica's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is asked and has not answered.
    Unknown,
    /// It serves, or is not asked.
    #[default]
    Serving,
    Unhealthy(Unhealthy),
}

/// What the health checks of a channel share.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) user_agent: HeaderValue,
    /// Whether it was said that a server has no health service.
    said: Arc<AtomicBool>,
}

// === impl Check ===

impl Check {
    pub(crate) fn new(scheme: Scheme, authority: Authority, user_agent: HeaderValue) -> Self {
        Self {
            scheme,
            authority,
            user_agent,
            said: Arc::default(),
        }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Reports the health of `service`, whenever it changes, for as long as it is polled; it ends
    /// when there is nothing to watch.
    pub(crate) async fn watch(
        self,
        connection: Connection,
        service: Arc<str>,
        backoff: Backoff,
        report: impl Fn(Health),
    ) {
        let mut attempts = Attempts::new(backoff);
        loop {
            let mut answered = false;
            let status = stream::watch(&connection, &self, &service, |health| {
                answered = true;
                report(health);
            })
            .await;
            if status.code() == Code::Unimplemented {
                self.say_unimplemented(&service);
                report(Health::Serving);
                return;
            }
            report(Health::Unhealthy(Unhealthy::Watch {
                code: status.code(),
                message: status.message().to_owned(),
            }));
            let wait = if answered {
                attempts.succeeded();
                PAUSE
            } else {
                attempts.failed(fastrand::f64())
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn say_unimplemented(&self, service: &str) {
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                authority = %self.authority,
                service,
                "health checks are wanted but the server has no grpc.health.v1.Health; it counts as \
                 healthy",
            );
        }
    }
}
