//! The settings of a channel that are about its replicas: which are used, and for what.

use std::sync::Arc;

use super::Builder;
use crate::policy::{OutlierDetection, Policy};
use crate::service_config::ServiceConfig;
use crate::subchannel::Connections;

// === impl Builder ===

impl Builder {
    /// Which replica gets a call. It can be changed while the channel runs, by
    /// [`Channel::set_policy`](crate::Channel::set_policy). Default: [`Policy::RoundRobin`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.balancing.policy = policy;
        self
    }

    /// When a replica that answers badly is left out for a while; `None` never does, and neither does
    /// [`Policy::PickFirst`]. Default: `None`.
    pub fn outlier_detection(mut self, detection: impl Into<Option<OutlierDetection>>) -> Self {
        self.balancing.outlier_detection = detection.into();
        self
    }

    /// Watches the health of each replica, as `grpc.health.v1.Health` tells it, and sends calls only
    /// to those that serve (gRFC A17). The service is the name that the servers set the health of,
    /// usually that of the gRPC service; an empty one stands for the server as a whole. A server
    /// without `grpc.health.v1.Health` counts as healthy, and [`Policy::PickFirst`] does not ask.
    /// Default: replicas are not asked.
    pub fn health_check(mut self, service: impl Into<Arc<str>>) -> Self {
        self.balancing.health_service = Some(service.into());
        self
    }

    /// How many of the target's addresses this channel uses at most (gRFC A68): some at random, the
    /// same ones for as long as they are there. For a target with so many replicas, and so many
    /// clients, that connecting each to each would cost too much; a replica gets an even share of all
    /// calls only if the clients are many. Default: all.
    pub fn subset(mut self, size: usize) -> Self {
        self.subset = Some(size);
        self
    }

    /// How many connections one replica may get. Default: [`Connections::default`], which is one.
    pub fn connections(mut self, connections: Connections) -> Self {
        self.subchannel.connections = connections;
        self
    }

    /// How many connections may be made at the same time; other addresses wait for their turn.
    /// Default: 100.
    pub fn max_connecting(mut self, connections: usize) -> Self {
        self.max_connecting = connections;
        self
    }

    /// Takes over what the service config says about balancing and health.
    pub(super) fn heed(&mut self, asked: &ServiceConfig) {
        if let Some(balancing) = &asked.balancing {
            self.balancing.policy = balancing.policy.clone();
            self.balancing
                .outlier_detection
                .clone_from(&balancing.outlier_detection);
            // A subset of more addresses than can be counted is all of them.
            self.subset = balancing.subset.and_then(|size| size.try_into().ok());
        }
        if let Some(service) = &asked.health_service {
            self.balancing.health_service = Some(service.as_str().into());
        }
    }
}
