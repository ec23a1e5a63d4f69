//! The channel: what a stub is made with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use http::uri::{Authority, Scheme};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::balancer::Settings;
use crate::builder::Builder;
use crate::call::{self, AttemptsPolicy, Buffer, Throttle};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::level::Levels;
use crate::method::Descriptors;
use crate::metrics::Metrics;
use crate::picker::Slot;
use crate::policy::Policy;
use crate::service_config::Methods;
use crate::stats::Stats;
use crate::transport::ResponseBody;

/// A channel to all replicas behind one name, or behind several in order of priority.
///
/// Cloning is cheap, and the clones share everything. When the last clone is dropped and the last
/// response has ended, every task ends and every connection is closed.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

/// What the clones share.
pub(crate) struct Inner {
    pub(crate) target: Arc<str>,
    pub(crate) authority: Authority,
    pub(crate) scheme: Scheme,
    pub(crate) user_agent: HeaderValue,
    pub(crate) wait_for_ready: bool,
    /// For the methods that are idempotent and that the service config says nothing about.
    pub(crate) attempts: Option<AttemptsPolicy>,
    /// The calls' part of the service config.
    pub(crate) methods: Methods,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) descriptors: Descriptors,
    /// What the balancers follow.
    pub(crate) settings: watch::Sender<Settings>,
    /// Where a call finds the picker in place.
    pub(crate) slot: Arc<Slot>,
    pub(crate) levels: Levels,
    pub(crate) metrics: Metrics,
}

// === impl Channel ===

impl Channel {
    /// Begins a channel to a target: `dns:///name:port`, `dns://server:port/name:port`,
    /// `dns+srv:///_port._tcp.name`, `ipv4:address:port,address:port`, `ipv6:[address]:port`,
    /// `k8s:///service.namespace:port` (with the feature `kubernetes`) or
    /// `unix:path`; a bare `name:port` is a DNS name.
    ///
    /// A target that is not valid is an error of [`Builder::connect`].
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder::new(target.into())
    }

    /// What the channel knows of its targets and their subchannels at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.levels.stats()
    }

    /// Changes the policy, for all targets, while the channel runs. No call fails by it: connections that both policies
    /// need are kept, and those that the new one does not need close when their calls have ended.
    ///
    /// # Errors
    ///
    /// When the policy is not valid; see [`Policy`].
    pub fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        policy.check()?;
        let settings = &self.0.settings;
        settings.send_modify(|settings| settings.policy = policy);
        Ok(())
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("target", &self.0.target)
            .finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<ResponseBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    /// Always ready: a call waits for a connection by itself, since only it knows its deadline and
    /// whether it waits at all.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(call::run(self.0.clone(), request))
    }
}
