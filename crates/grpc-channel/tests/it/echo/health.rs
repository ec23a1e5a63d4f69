//! The health service of a replica: says what the test has set.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

pub(crate) const PATH: &str = "/grpc.health.v1.Health/Watch";

/// What a replica says of its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Serving,
    NotServing,
    ServiceUnknown,
    /// Nothing, as if it hung.
    Silent,
    /// Every watch ends with this code.
    Failing(Code),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone)]
struct Watch(watch::Receiver<Health>);

/// Answers one watch.
pub(crate) async fn serve(
    health: watch::Receiver<Health>,
    request: http::Request<hyper::body::Incoming>,
) -> http::Response<tonic::body::Body> {
    let codec = ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default();
    tonic::server::Grpc::new(codec)
        .server_streaming(Watch(health), request)
        .await
}

// === impl Watch ===

type Answers = BoxStream<'static, Result<HealthCheckResponse, Status>>;

impl tower::Service<Request<HealthCheckRequest>> for Watch {
    type Response = Response<Answers>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        assert_eq!(request.get_ref().service, "echo.v1.EchoService");
        if let Health::Failing(code) = *self.0.borrow() {
            return ready(Err(Status::new(code, "failed as the test asked")));
        }
        let mut health = self.0.clone();
        health.mark_changed();
        let answers = stream::unfold(health, |mut health| async {
            loop {
                health.changed().await.ok()?;
                let now = *health.borrow_and_update();
                let status = match now {
                    Health::Silent => continue,
                    Health::Failing(code) => {
                        return Some((Err(Status::new(code, "failed as the test asked")), health));
                    }
                    Health::Serving => 1,
                    Health::NotServing => 2,
                    Health::ServiceUnknown => 3,
                };
                return Some((Ok(HealthCheckResponse { status }), health));
            }
        });
        ready(Ok(Response::new(answers.boxed())))
    }
}
