//! A service that is called without a connection, and the calls that it gets.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::Full;
use service_runtime::layers::Layered;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpConnectInfo;
use tower_service::Service;

use crate::handler::{Answers, FRAMES, REQUEST};
use crate::issuer::{Algorithm, Issuer};
use crate::parts::{self, Kept, PATH, Part};
use crate::{CALLS, WARM_UP};

/// What is called, the calls that are left, and what has to live as long.
pub struct Subject<S> {
    service: S,
    requests: Vec<Request<Full<Bytes>>>,
    tokens: Tokens,
    _kept: Option<Kept>,
    // Dropped last: tasks of the above run on it.
    runtime: Runtime,
}

/// Where the calls have their tokens from, and how many connections they come over.
#[derive(Clone, Copy)]
pub enum Tokens {
    /// All have the same, on one connection.
    One,
    /// All have the same, each on a connection of its own.
    Elsewhere,
    /// Each has another one.
    Each(Algorithm),
}

/// The handler by itself.
pub fn bare() -> Subject<Answers> {
    prepared(|_| (Answers, None), Tokens::One, None)
}

/// The handler in layers with these parts.
pub fn with(parts: &[Part]) -> Subject<Layered<Answers>> {
    layered(parts, Tokens::One, None)
}

/// The handler in layers with all parts but this one.
pub fn without(part: Part) -> Subject<Layered<Answers>> {
    let parts: Vec<Part> = parts::ALL.into_iter().filter(|it| *it != part).collect();
    with(&parts)
}

/// The handler behind a guard that has seen none of the tokens.
pub fn unknown(algorithm: Algorithm) -> Subject<Layered<Answers>> {
    layered(&[Part::Guard], Tokens::Each(algorithm), None)
}

/// The handler behind a guard that has seen the token on other connections only.
pub fn elsewhere() -> Subject<Layered<Answers>> {
    layered(&[Part::Guard], Tokens::Elsewhere, None)
}

/// The handler in layers that make spans, and a caller whose trace is not sampled.
pub fn in_a_trace() -> Subject<Layered<Answers>> {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    layered(&[Part::Spans], Tokens::One, Some(trace))
}

fn layered(
    parts: &[Part],
    tokens: Tokens,
    trace: Option<&'static str>,
) -> Subject<Layered<Answers>> {
    let service = |issuer: &Issuer| {
        let (service, kept) = parts::around(parts, issuer);
        (service, Some(kept))
    };
    prepared(service, tokens, trace)
}

fn prepared<S, R>(
    service: impl FnOnce(&Issuer) -> (S, Option<Kept>),
    tokens: Tokens,
    trace: Option<&'static str>,
) -> Subject<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
    R: Body,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is room for a runtime");
    let entered = runtime.enter();
    let issuer = Issuer::new();
    let (service, kept) = service(&issuer);
    drop(entered);
    let request = |number| {
        let token = match tokens {
            Tokens::One | Tokens::Elsewhere => issuer.token(Algorithm::Hs256, 0),
            Tokens::Each(algorithm) => issuer.token(algorithm, number),
        };
        request(&token, trace)
    };
    let mut subject = Subject {
        service,
        requests: (0..WARM_UP).map(&request).collect(),
        tokens,
        _kept: kept,
        runtime,
    };
    subject.call_all();
    subject.requests = (WARM_UP..WARM_UP + CALLS).map(&request).collect();
    subject
}

/// The headers of a call, as most clients send them.
pub fn headers(token: &str) -> HeaderMap {
    let mut bearer: HeaderValue = format!("Bearer {token}").parse().expect("it is plain");
    bearer.set_sensitive(true);
    HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        ),
        (header::TE, HeaderValue::from_static("trailers")),
        (header::USER_AGENT, HeaderValue::from_static("bench/0.1.0")),
        (header::AUTHORIZATION, bearer),
        (
            header::HeaderName::from_static("grpc-timeout"),
            HeaderValue::from_static("10S"),
        ),
    ])
}

fn request(token: &str, trace: Option<&'static str>) -> Request<Full<Bytes>> {
    let mut request = Request::post(format!("http://127.0.0.1:50051{PATH}"))
        .version(http::Version::HTTP_2)
        .body(Full::new(Bytes::from_static(REQUEST)))
        .expect("the URI is one");
    *request.headers_mut() = headers(token);
    if let Some(trace) = trace {
        let trace = HeaderValue::from_static(trace);
        request.headers_mut().insert("traceparent", trace);
    }
    // As the server does.
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: Some(([127, 0, 0, 1], 50051).into()),
        remote_addr: Some(([127, 0, 0, 1], 40000).into()),
    });
    request
}

// === impl Subject ===

impl<S, R> Subject<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
    R: Body,
{
    /// Makes the calls. The server has a clone of the service for each connection.
    pub fn call_all(&mut self) {
        let _entered = self.runtime.enter();
        let mut cx = Context::from_waker(Waker::noop());
        let calls = self.requests.len();
        let mut frames = 0;
        let mut service = self.service.clone();
        for request in self.requests.drain(..) {
            if matches!(self.tokens, Tokens::Elsewhere) {
                service = self.service.clone();
            }
            let mut answer = pin!(service.call(request));
            let Poll::Ready(Ok(response)) = answer.as_mut().poll(&mut cx) else {
                panic!("the handler answers at once");
            };
            let mut body = pin!(black_box(response).into_body());
            while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
                frames += usize::from(black_box(frame).is_ok());
            }
        }
        assert_eq!(frames, calls * FRAMES, "every call was let in");
    }
}
