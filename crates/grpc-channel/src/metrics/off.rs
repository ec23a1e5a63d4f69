//! What stands in for the metrics where the feature `otel` is off: nothing, at no cost.

use http::{Extensions, HeaderMap};
use tokio::time::Instant;
use tonic::Code;

use crate::outlier::Ejection;
use crate::resolver::Address;
use crate::transport::Disconnect;

/// Records nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics;

/// Records nothing.
#[derive(Clone, Debug)]
pub(crate) struct CallTracer;

/// Records nothing.
#[derive(Debug)]
pub(crate) struct CallAttemptTracer;

/// Counts nothing.
#[derive(Debug)]
pub(crate) struct Sent;

/// Counts nothing.
#[derive(Debug)]
pub(crate) struct OpenConnection;

#[expect(
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    reason = "with the feature it is otherwise"
)]
mod nothing {
    use super::{
        Address, CallAttemptTracer, CallTracer, Code, Disconnect, Ejection, Extensions, HeaderMap,
        Instant, Metrics, OpenConnection, Sent,
    };

    impl Metrics {
        pub(crate) fn call(&self, _path: &str, _extensions: &Extensions) -> CallTracer {
            CallTracer
        }

        pub(crate) fn connected(&self) -> OpenConnection {
            OpenConnection
        }

        pub(crate) fn connection_failed(&self) {}

        pub(crate) fn ejections(&self, _ejections: &[Ejection]) {}

        pub(crate) fn weights(&self, _weights: impl Iterator<Item = u32>) {}
    }

    impl CallTracer {
        pub(crate) fn set_deadline(&self, _deadline: Option<Instant>) {}

        pub(crate) fn attempt(&self, _previous: u32, _transparent: bool) -> CallAttemptTracer {
            CallAttemptTracer
        }

        pub(crate) fn retried(&self) {}

        pub(crate) fn transparently_retried(&self) {}

        pub(crate) fn hedged(&self) {}

        pub(crate) fn failed(&self, _code: Code) {}
    }

    impl CallAttemptTracer {
        pub(crate) fn sent(&self) -> Sent {
            Sent
        }

        pub(crate) fn sending(&self, _replica: &Address, _metadata: &mut HeaderMap) {}

        pub(crate) fn answered(&mut self, _headers: &HeaderMap) {}

        pub(crate) fn received(&mut self, _data: &[u8]) {}

        pub(crate) fn commit(&mut self) {}

        pub(crate) fn ended(&mut self, _code: Option<Code>) {}
    }

    impl Sent {
        pub(crate) fn uncounted() -> Self {
            Self
        }

        pub(crate) fn count(&mut self, _data: &[u8]) {}
    }

    impl OpenConnection {
        pub(crate) fn lost(self, _cause: &Disconnect) {}

        pub(crate) fn closed(self) {}
    }
}
