//! A gRPC channel that spreads calls over all replicas behind a name, and goes on while they come
//! and go.
//!
//! gRPC multiplexes every call of a client over one HTTP/2 connection. Behind a Kubernetes Service
//! with a cluster IP all of them therefore reach one pod. This channel resolves a headless Service
//! to every pod, holds one connection to each, and picks one for each call.
//!
//! ```no_run
//! use grpc_channel::Channel;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let channel = Channel::builder("dns:///echo-headless.default.svc.cluster.local.:50051").connect()?;
//! // let client = EchoServiceClient::new(channel);
//! # drop(channel);
//! # Ok(())
//! # }
//! ```
//!
//! [`Channel`] implements [`tower_service::Service`] as the clients that tonic generates want it.
//!
//! # What it promises
//!
//! | when | then |
//! |---|---|
//! | the replicas are stable | any n calls are spread so that counts differ by one at most |
//! | a replica is added | it is found within the TTL of the name's records, clamped to [`Builder::dns_interval`] |
//! | a replica is removed from the name | calls in flight there finish; new ones go elsewhere |
//! | a replica drains (GOAWAY) | the same, and what it did not process is sent elsewhere, up to ten times |
//! | a replica is killed | idempotent calls are sent elsewhere, even in the middle of a unary response; others fail with UNAVAILABLE, since the replica may have processed them |
//! | a replica says `NOT_SERVING` | with [`Builder::health_check`] new calls go elsewhere until it serves |
//! | a replica answers badly | with [`Builder::outlier_detection`] it is left out for a while |
//! | a replica takes no more streams | calls wait for one, or with [`Builder::connections`] get another connection |
//! | there are thousands of replicas | with [`Builder::subset`] a client connects to some of them |
//! | a replica is slow | hedged calls are also sent to another, see [`HedgingPolicy`] |
//! | too many calls fail | with `retryThrottling` in the [service config](Builder::service_config) nothing is sent twice |
//! | a server pushes back (`grpc-retry-pushback-ms`) | it is asked again when it says, or not at all |
//! | a replica stops answering | keepalive pings find it, see [`Keepalive`] |
//! | DNS gives nothing, NXDOMAIN or no answer | the addresses that are known are kept; with none, calls fail with UNAVAILABLE and say why, or wait, see [`WaitForReady`] |
//! | nothing can be reached | calls fail with UNAVAILABLE and say what is wrong with each address, or wait |
//! | a whole target fails | with [`Builder::fallback`] the next one in order of priority is used, until it is back |
//!
//! # How a call finds its way
//!
//! [`resolver`] → balancer (one subchannel for each address) → picker (by [`Policy`]) → a call's
//! attempts. The parts and their names are those of the gRPC core documents.
//!
//! A channel with fallbacks has a resolver and a balancer for each of its targets that is needed; the
//! picker of the target in use is the one that calls find (gRFC A56).
//!
//! # Features
//!
//! None is on by default; each brings dependencies that a channel behind a mesh does without.
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | `Builder::tls`, by rustls with ring as its only provider |
//! | `otel` | `Builder::meter_provider`: OpenTelemetry metrics by gRPC's names; `Builder::tracer_provider` and `Builder::text_map_propagator`: traces |
//! | `kubernetes` | targets of `k8s:///service.namespace:port`, which watch EndpointSlices |
//!
//! # What it does not do (yet)
//!
//! Load reports of replicas, and what only a control plane such as xDS can tell.

mod backoff;
mod balancer;
mod builder;
mod call;
mod channel;
mod code;
mod connectivity;
pub mod credentials;
mod error;
mod failover;
mod health;
mod level;
mod method;
#[cfg(feature = "otel")]
mod metrics;
#[cfg(not(feature = "otel"))]
#[path = "metrics/off.rs"]
mod metrics;
mod outlier;
mod picker;
mod policy;
pub mod resolver;
mod service_config;
mod stats;
mod subchannel;
mod subset;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod unavailable;

pub use self::backoff::Backoff;
pub use self::builder::Builder;
pub use self::call::{HedgingPolicy, RetryPolicy, WaitForReady};
pub use self::channel::Channel;
pub use self::connectivity::State;
pub use self::error::Error;
pub use self::health::Unhealthy;
pub use self::policy::{FailurePercentage, OutlierDetection, Policy, SuccessRate};
pub use self::stats::{Stats, SubchannelStats};
pub use self::subchannel::Connections;
#[cfg(feature = "tls")]
pub use self::tls::Tls;
pub use self::transport::{Disconnect, Keepalive, ResponseBody, TlsFailure};

/// Lets `cargo test --doc` compile the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
