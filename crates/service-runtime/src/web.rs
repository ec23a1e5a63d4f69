//! The routes for browsers: gRPC-Web over HTTP/1.1, with CORS, on a port of its own.
//!
//! A browser cannot speak gRPC: its scripts see neither HTTP/2 frames nor trailers. gRPC-Web puts the
//! trailers into the body, and CORS says which sites' scripts may call. It is a listener apart from
//! gRPC's, so that neither its older protocol nor its callers reach the port that services use.
//!
//! TLS is for what stands in front of it, such as an ingress: browsers meet it under the site's name.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tonic_web::GrpcWebLayer;
use tower::ServiceBuilder;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::chain::Chain;
use crate::layers::Layered;
use crate::server::{self, ListenError};
use crate::settings::Violations;

/// What a call is answered with beside its messages, and a script may read.
const EXPOSED: [&str; 7] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-encoding",
    "x-request-id",
    "x-served-by",
    "x-version",
];

/// What a script may send.
const ALLOWED: [&str; 6] = [
    "content-type",
    "authorization",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
    "x-request-id",
];

/// How long a browser may remember what it was allowed.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Whether browsers may call, and whose scripts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether gRPC-Web is served.
    pub enabled: bool,
    /// The address and port. Port 0 takes any free one.
    #[serde(with = "crate::settings::address")]
    pub address: SocketAddr,
    /// The sites whose scripts may call, such as `https://app.example.com`; none by default. `*` is
    /// every site, and is for what is public anyway.
    pub allowed_origins: Vec<String>,
}

/// The port is bound; nothing is answered yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    local_address: SocketAddr,
    origins: AllowOrigin,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Running {
    _task: AbortOnDropHandle<()>,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            self.allowed_origins.iter().all(|origin| is_origin(origin)),
            "allowed_origins",
            "sites such as https://app.example.com, without a path, or * for every site",
        );
        violations.expect(
            !self.enabled || !self.allowed_origins.is_empty(),
            "allowed_origins",
            "at least one site, since no browser could call otherwise",
        );
    }

    /// Takes the port; `None` when browsers are not served. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use, is not one of this machine's, or needs a privilege.
    pub fn bind(self) -> Result<Option<Bound>, ListenError> {
        if !self.enabled {
            return Ok(None);
        }
        let (listener, local_address) = server::listen(self.address)?;
        Ok(Some(Bound {
            listener,
            local_address,
            origins: self.origins(),
        }))
    }

    fn origins(&self) -> AllowOrigin {
        if self.allowed_origins.iter().any(|origin| origin == "*") {
            return AllowOrigin::any();
        }
        // What is no header value is no origin either, and was found by `validate`.
        let origins = self.allowed_origins.iter();
        AllowOrigin::list(origins.filter_map(|origin| HeaderValue::from_str(origin).ok()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            address: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            allowed_origins: Vec::new(),
        }
    }
}

/// Whether it is a scheme, a host and perhaps a port, as browsers write it (RFC 6454, section 6.2).
fn is_origin(text: &str) -> bool {
    let as_written = |url: url::Url| url.origin().ascii_serialization() == text;
    text == "*" || url::Url::parse(text).is_ok_and(as_written)
}

// === impl Bound ===

impl Bound {
    /// The address that was bound, with the real port when port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Starts to answer with `calls`, the routes in the same layers as on gRPC's own port, until `closing`
    /// completes and the calls in flight have ended.
    pub fn serve(
        self,
        calls: Layered<Routes>,
        closing: impl Future<Output = ()> + Send + 'static,
    ) -> Running {
        let cors = CorsLayer::new()
            .allow_origin(self.origins)
            .allow_methods([Method::POST])
            .allow_headers(ALLOWED.map(HeaderName::from_static))
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .max_age(MAX_AGE);
        let calls = ServiceBuilder::new()
            .layer(cors)
            .layer(GrpcWebLayer::new())
            .map_request(with_peer)
            .service(calls);
        let service = Router::new()
            .fallback_service(calls)
            .into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move {
            let serving = axum::serve(self.listener, service).with_graceful_shutdown(closing);
            if let Err(error) = serving.await {
                tracing::error!(error = %Chain(&error), "the listener for browsers ended");
            }
        });
        Running {
            _task: AbortOnDropHandle::new(task),
        }
    }
}

/// Says who calls in the way in which gRPC's own listener does.
fn with_peer(mut request: Request<Body>) -> Request<Body> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let info = TcpConnectInfo {
        local_addr: None,
        remote_addr: peer.map(|ConnectInfo(peer)| *peer),
    };
    request.extensions_mut().insert(info);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::request_id;
    use axum::http::header;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in ["*", "https://app.example.com", "http://localhost:5173"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/page",
            "https://app.example.com:443",
            "",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }

    #[test]
    fn the_headers_that_every_response_has_can_be_read_by_scripts() {
        assert!(EXPOSED.contains(&request_id::HEADER.as_str()));
        assert!(ALLOWED.contains(&header::AUTHORIZATION.as_str()));
    }
}
