//! The way of a call to its service: straight to the one that most calls are for, and through tonic's
//! routes to all others.
//!
//! tonic's [`Routes`] stand on axum's router, which takes every path apart, notes its parts in the
//! request, and boxes the body, the call and the response. A server of one service beside health and
//! reflection needs none of it: the path says at once whether the service is meant.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower_service::Service;

/// tonic does not name it.
type RoutesFuture = <Routes as Service<Request<Body>>>::Future;

/// A service that is called straight, and the others.
#[derive(Clone, Debug)]
pub struct Straight<S> {
    service: S,
    others: Routes,
}

pin_project! {
    /// The answer of either.
    pub struct ResponseFuture<F> {
        #[pin]
        answer: Answer<F>,
    }
}

pin_project! {
    #[project = AnswerProjection]
    enum Answer<F> {
        Straight { #[pin] inner: F },
        Other { #[pin] inner: RoutesFuture },
    }
}

// === impl Straight ===

impl<S: NamedService> Straight<S> {
    /// Calls of `service` go to it, all others to `others`, which need not have it.
    pub fn to(service: S, others: Routes) -> Self {
        Self { service, others }
    }

    /// Whether a path is `/NAME/…`.
    fn is_for(path: &str) -> bool {
        let rest = path.strip_prefix('/');
        rest.and_then(|it| it.strip_prefix(S::NAME))
            .is_some_and(|it| it.starts_with('/'))
    }
}

impl<S, B> Service<Request<B>> for Straight<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + NamedService,
    B: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        ready!(self.service.poll_ready(cx))?;
        Service::<Request<B>>::poll_ready(&mut self.others, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = if Self::is_for(request.uri().path()) {
            let inner = self.service.call(request);
            Answer::Straight { inner }
        } else {
            let inner = self.others.call(request);
            Answer::Other { inner }
        };
        ResponseFuture { answer }
    }
}

// === impl ResponseFuture ===

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().answer.project() {
            AnswerProjection::Straight { inner } => inner.poll(cx),
            AnswerProjection::Other { inner } => inner.poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named;

    impl NamedService for Named {
        const NAME: &'static str = "shop.v1.Orders";
    }

    #[test]
    fn only_the_services_own_paths_are_its_own() {
        for (path, expected) in [
            ("/shop.v1.Orders/Get", true),
            ("/shop.v1.Orders/", true),
            ("/shop.v1.Orders", false),
            ("/shop.v1.OrdersArchive/Get", false),
            ("shop.v1.Orders/Get", false),
            ("/", false),
        ] {
            assert_eq!(Straight::<Named>::is_for(path), expected, "{path}");
        }
    }
}
