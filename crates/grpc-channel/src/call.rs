//! One call: its settings, and its attempts until one of them counts.

mod attempt;
mod buffer;
mod framing;
mod hedging;
mod message_limit;
mod options;
mod payload;
mod pushback;
mod retry;
mod throttle;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, header};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

pub(crate) use self::attempt::Guard;
use self::attempt::{Answer, Ended};
pub(crate) use self::buffer::{Buffer, Kept};
#[cfg(feature = "otel")]
pub(crate) use self::framing::Framing;
pub use self::hedging::HedgingPolicy;
pub(crate) use self::message_limit::MessageLimit;
pub use self::options::WaitForReady;
pub(crate) use self::payload::{Cursor, Outgoing, Payload, Replay};
pub use self::retry::RetryPolicy;
use self::retry::{Attempts, Decision};
pub(crate) use self::throttle::{Throttle, Throttling};
use crate::channel::Inner;
use crate::method::Descriptor;
use crate::metrics::CallTracer;
use crate::picker::Picker;
use crate::service_config::Method;
use crate::transport::{Committed, Failure, ResponseBody};

/// What makes more than one attempt of a call. A method is retried or hedged, never both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AttemptsPolicy {
    Retry(RetryPolicy),
    Hedging(HedgingPolicy),
}

/// A call on its way.
struct Call {
    channel: Arc<Inner>,
    /// What the service config says about its method.
    method: Option<Arc<Method>>,
    /// What its `.proto` says, if it matters.
    descriptor: Option<Descriptor>,
    uri: Uri,
    headers: HeaderMap,
    payload: Payload,
    wait_for_ready: bool,
    deadline: Option<Instant>,
    tracer: CallTracer,
}

/// Sends one request. Dropping the future cancels the call.
pub(crate) async fn run(
    channel: Arc<Inner>,
    request: http::Request<Body>,
) -> Result<http::Response<ResponseBody>, Status> {
    let tracer = channel
        .metrics
        .call(request.uri().path(), request.extensions());
    let result = send(channel, request, tracer.clone()).await;
    if let Err(status) = &result {
        tracer.failed(status.code());
    }
    result
}

async fn send(
    channel: Arc<Inner>,
    request: http::Request<Body>,
    tracer: CallTracer,
) -> Result<http::Response<ResponseBody>, Status> {
    let call = Call::prepare(channel, request, tracer).await?;
    let Some(deadline) = call.deadline else {
        return call.send().await;
    };
    match tokio::time::timeout_at(deadline, call.send()).await {
        Ok(result) => result,
        Err(_elapsed) => Err(call.timed_out()),
    }
}

/// The status of a call whose time is over.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// Whether a status only says that the server watched the same deadline and was a little faster:
/// gRPC servers reset a call with CANCEL when its time is over.
pub(crate) fn is_deadline(status: &Status, deadline: Option<Instant>) -> bool {
    /// How much earlier than ours the server's timer may fire: timers tick in milliseconds, and
    /// `grpc-timeout` is rounded down.
    const SLACK: Duration = Duration::from_millis(5);
    status.code() == Code::Cancelled
        && deadline.is_some_and(|deadline| deadline <= Instant::now() + SLACK)
}

/// The code in the head or the trailers of a response.
pub(crate) fn code_of(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

// === impl Call ===

impl Call {
    async fn prepare(
        channel: Arc<Inner>,
        request: http::Request<Body>,
        tracer: CallTracer,
    ) -> Result<Self, Status> {
        let (mut head, body) = request.into_parts();
        let method = channel.methods.get(head.uri.path()).cloned();
        let settings = method.as_deref();
        let wait_for_ready = head
            .extensions
            .get::<WaitForReady>()
            .map(|wait| wait.0)
            .or(settings.and_then(|method| method.wait_for_ready))
            .unwrap_or(channel.wait_for_ready);
        let timeout = [
            options::timeout(&head.headers),
            settings.and_then(|method| method.timeout),
        ];
        let timeout = timeout.into_iter().flatten().min();

        let limit = settings.and_then(|method| method.max_request_bytes);
        let mut parts = Some((body, MessageLimit::requests(limit), channel.buffer.begin()));
        let payload = poll_fn(|cx| {
            // The closure completes the first time it is polled, so the parts are there.
            Poll::Ready(match parts.take() {
                Some((body, limit, kept)) => Payload::gather(body, limit, kept, cx),
                None => Err(Status::internal("a request was gathered twice")),
            })
        })
        .await?;
        head.headers
            .insert(header::USER_AGENT, channel.user_agent.clone());
        let attempts = settings.and_then(|method| method.attempts.as_ref());
        let descriptor = attempts
            .or(channel.attempts.as_ref())
            .and_then(|_| channel.descriptors.get(head.uri.path()));
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        tracer.set_deadline(deadline);
        Ok(Self {
            uri: uri(&channel, head.uri.path_and_query())?,
            descriptor,
            deadline,
            headers: head.headers,
            payload,
            wait_for_ready,
            method,
            channel,
            tracer,
        })
    }

    async fn send(&self) -> Result<http::Response<ResponseBody>, Status> {
        match self.attempts_policy() {
            Some(AttemptsPolicy::Hedging(policy)) => self.hedge(policy).await,
            Some(AttemptsPolicy::Retry(policy)) => self.retry(Some(policy)).await,
            None => self.retry(None).await,
        }
    }

    /// What its method's config says, and without that the channel's own policy for the methods that
    /// may be sent twice.
    fn attempts_policy(&self) -> Option<&AttemptsPolicy> {
        let configured = self.method.as_ref().and_then(|m| m.attempts.as_ref());
        configured.or_else(|| {
            let idempotent = self.descriptor.is_some_and(|method| method.idempotent);
            self.channel.attempts.as_ref().filter(|_| idempotent)
        })
    }

    /// Sends the call again for as long as the policy, or what no server has processed, allows it.
    async fn retry(
        &self,
        policy: Option<&RetryPolicy>,
    ) -> Result<http::Response<ResponseBody>, Status> {
        let mut attempts = Attempts::default();
        let mut transparent = false;
        loop {
            let attempt = self.attempt(attempts.previous(), transparent, None);
            let (id, result) = attempt.await;
            let ended = match self.settle(result, policy.is_some()).await {
                Ok(answer) => return Ok(self.commit(answer)),
                Err(ended) => ended,
            };
            if let Some(error) = self.payload.take_error() {
                return Err(error);
            }
            self.payload.give_up(id);
            let failed = ended.failed(self.payload.is_replayable());
            let throttle = self.channel.throttle.as_ref();
            match attempts.decide(policy, throttle, failed, fastrand::f64()) {
                Decision::Report => return self.report(ended),
                // The driver and the balancer may need a turn to see what this call has just seen.
                Decision::Transparent => {
                    drop(ended);
                    tokio::task::yield_now().await;
                    self.tracer.transparently_retried();
                    transparent = true;
                }
                Decision::After(wait) => {
                    drop(ended);
                    tokio::time::sleep(wait).await;
                    self.tracer.retried();
                    transparent = false;
                }
            }
        }
    }

    /// The answer to be taken, or else why there is none.
    ///
    /// gRFC A6 commits a call when its response begins. A replica may die between that and the only
    /// message of a unary response, which the caller has seen nothing of; so for a method that may be
    /// sent again the response is held back until it is whole, as far as the retry buffer allows it.
    async fn settle(&self, result: Result<Answer, Failure>, again: bool) -> Result<Answer, Ended> {
        let mut answer = Ended::of(result)?;
        let unary = self
            .descriptor
            .is_some_and(|method| !method.server_streaming);
        if again && unary && self.payload.is_replayable() {
            let kept = self.channel.buffer.begin();
            if let Err(failure) = answer.response.body_mut().hold(kept).await {
                answer.guard.ended(Some(self.code(&failure)));
                return Err(Ended::Failed(failure));
            }
        }
        Ok(answer)
    }

    /// Hands the response to the caller; from here on nothing is sent again.
    fn commit(&self, answer: Answer) -> http::Response<ResponseBody> {
        let Answer {
            mut response,
            mut guard,
            id,
        } = answer;
        self.payload.commit(id);
        guard.commit();
        let limit = self.method.as_ref().and_then(|m| m.max_response_bytes);
        response.body_mut().attach(Committed {
            guard,
            deadline: self
                .deadline
                .map(|deadline| Box::pin(tokio::time::sleep_until(deadline))),
            limit: MessageLimit::responses(limit),
            request: self.payload.replay(),
        });
        response
    }

    /// Hands a failure to the caller.
    fn report(&self, ended: Ended) -> Result<http::Response<ResponseBody>, Status> {
        match ended {
            Ended::Answered(answer) => Ok(self.commit(*answer)),
            Ended::Failed(failure) if is_deadline(&failure.status, self.deadline) => {
                Err(deadline_exceeded())
            }
            Ended::Failed(failure) => Err(failure.status),
        }
    }

    /// A call that waits for a replica until its deadline is told what it waited for.
    fn timed_out(&self) -> Status {
        match &**self.channel.slot.load() {
            Picker::Ready(_) => deadline_exceeded(),
            Picker::Queue => Status::deadline_exceeded(format!(
                "the deadline of the call has passed while it waited for a connection to {}",
                self.channel.levels.awaited()
            )),
            Picker::Fail(why) => {
                Status::deadline_exceeded(format!("the deadline of the call has passed: {why}"))
            }
        }
    }
}

/// The request's path at the target's authority, never at a replica's address.
fn uri(channel: &Inner, path: Option<&PathAndQuery>) -> Result<Uri, Status> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(channel.scheme.clone());
    parts.authority = Some(channel.authority.clone());
    parts.path_and_query = path.cloned();
    Uri::from_parts(parts).map_err(|error| Status::internal(format!("no method path: {error}")))
}
