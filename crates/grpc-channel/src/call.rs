//! One call: a pick, an attempt on the connection that was picked, and perhaps another.

mod options;
mod payload;
mod retry;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

pub use self::options::WaitForReady;
pub(crate) use self::payload::{Cursor, Payload, Replay};
pub use self::retry::RetryPolicy;
use self::retry::{Attempts, Decision};
use crate::channel::Inner;
use crate::picker::{Candidate, Picker};
use crate::subchannel::Subchannel;
use crate::transport::{Failure, Progress, ResponseBody};

/// What gRFC A6 calls a retry by policy announces itself with.
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// A call on its way.
struct Call {
    channel: Arc<Inner>,
    uri: Uri,
    headers: HeaderMap,
    payload: Payload,
    wait_for_ready: bool,
    deadline: Option<Instant>,
    attempts: Attempts,
}

/// Counts an attempt's end, however it ends, and keeps the channel alive until then.
pub(crate) struct Guard {
    subchannel: Arc<Subchannel>,
    ok: bool,
    _channel: Arc<Inner>,
}

/// Sends one request. Dropping the future cancels the call.
pub(crate) async fn run(
    channel: Arc<Inner>,
    request: http::Request<Body>,
) -> Result<http::Response<ResponseBody>, Status> {
    let mut call = Call::prepare(channel, request).await?;
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
    async fn prepare(channel: Arc<Inner>, request: http::Request<Body>) -> Result<Self, Status> {
        let (mut head, body) = request.into_parts();
        let mut body = Some(body);
        let limit = channel.retry_buffer;
        let payload = poll_fn(|cx| {
            // The closure completes the first time it is polled, so there is a body.
            let body = body.take().unwrap_or_default();
            Poll::Ready(Payload::gather(body, limit, cx))
        })
        .await?;
        head.headers
            .insert(header::USER_AGENT, channel.user_agent.clone());
        let wait_for_ready = head
            .extensions
            .get::<WaitForReady>()
            .map_or(channel.wait_for_ready, |wait| wait.0);
        Ok(Self {
            uri: uri(&channel, head.uri.path_and_query())?,
            deadline: options::timeout(&head.headers).map(|timeout| Instant::now() + timeout),
            headers: head.headers,
            payload,
            wait_for_ready,
            attempts: Attempts::default(),
            channel,
        })
    }

    async fn send(&mut self) -> Result<http::Response<ResponseBody>, Status> {
        loop {
            let candidate = self.pick().await?;
            let guard = Guard::new(&candidate.subchannel, self.channel.clone());
            let place = candidate.pool.reserve().await;
            let failure = match place.send(self.head(), &self.payload).await {
                Ok(response) => match refusal(&response) {
                    None => return Ok(self.commit(response, guard)),
                    Some(code) => match self.decide(Progress::Unknown, code) {
                        Decision::After(wait) => {
                            drop((response, guard));
                            tokio::time::sleep(wait).await;
                            continue;
                        }
                        Decision::Transparent | Decision::Report => {
                            return Ok(self.commit(response, guard));
                        }
                    },
                },
                Err(failure) => failure,
            };
            drop(guard);
            self.recover(failure).await?;
        }
    }

    /// The replica to use. Waits while one is being made, and, if the call wants it, also while
    /// none can be.
    async fn pick(&self) -> Result<Candidate, Status> {
        let slot = &self.channel.view.picker;
        slot.wait(|picker| match picker {
            Picker::Ready(rotation) => Some(Ok(rotation.pick().clone())),
            Picker::Fail(why) if !self.wait_for_ready => Some(Err(why.status())),
            Picker::Fail(_) | Picker::Queue => None,
        })
        .await
    }

    fn head(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        let mut headers = self.headers.clone();
        if let Some(deadline) = self.deadline {
            options::set_timeout(
                &mut headers,
                deadline.saturating_duration_since(Instant::now()),
            );
        }
        let previous = self.attempts.previous();
        if previous > 0 {
            headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(previous));
        }
        *request.headers_mut() = headers;
        request
    }

    /// Hands the response to the caller; from here on nothing is sent again.
    fn commit(
        &self,
        mut response: http::Response<ResponseBody>,
        mut guard: Guard,
    ) -> http::Response<ResponseBody> {
        self.payload.commit();
        // A response of trailers only has its status in its head.
        guard.ok = code_of(response.headers()) == Some(Code::Ok);
        let deadline = self
            .deadline
            .map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        response
            .body_mut()
            .attach(guard, deadline, self.payload.replay());
        response
    }

    /// Returns when the call is to be sent again.
    async fn recover(&mut self, failure: Failure) -> Result<(), Status> {
        if let Some(error) = self.payload.take_error() {
            return Err(error);
        }
        if is_deadline(&failure.status, self.deadline) {
            return Err(deadline_exceeded());
        }
        match self.decide(failure.progress, failure.status.code()) {
            // The driver and the balancer may need a turn to see what this call has just seen.
            Decision::Transparent => tokio::task::yield_now().await,
            Decision::After(wait) => tokio::time::sleep(wait).await,
            Decision::Report => return Err(failure.status),
        }
        Ok(())
    }

    fn decide(&mut self, progress: Progress, code: Code) -> Decision {
        if !self.payload.rewind() && progress != Progress::NotSent {
            return Decision::Report;
        }
        let idempotent = self.channel.idempotent.contains(self.uri.path());
        let policy = self.channel.retry.as_ref().filter(|_| idempotent);
        self.attempts
            .decide(policy, progress, code, fastrand::f64())
    }

    /// A call that waits for a replica until its deadline is told what it waited for.
    fn timed_out(&self) -> Status {
        match &**self.channel.view.picker.load() {
            Picker::Ready(_) => deadline_exceeded(),
            Picker::Queue => Status::deadline_exceeded(format!(
                "the deadline of the call has passed while it waited for a connection to {}",
                self.channel.target
            )),
            Picker::Fail(why) => {
                Status::deadline_exceeded(format!("the deadline of the call has passed: {why}"))
            }
        }
    }
}

/// The code of a response that is nothing but an error, and so may be followed by another attempt.
fn refusal(response: &http::Response<ResponseBody>) -> Option<Code> {
    code_of(response.headers()).filter(|code| *code != Code::Ok)
}

/// The request's path at the target's authority, never at a replica's address.
fn uri(channel: &Inner, path: Option<&PathAndQuery>) -> Result<Uri, Status> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(channel.scheme.clone());
    parts.authority = Some(channel.authority.clone());
    parts.path_and_query = path.cloned();
    Uri::from_parts(parts).map_err(|error| Status::internal(format!("no method path: {error}")))
}

// === impl Guard ===

impl Guard {
    fn new(subchannel: &Arc<Subchannel>, channel: Arc<Inner>) -> Self {
        subchannel.calls.start();
        Self {
            subchannel: subchannel.clone(),
            ok: false,
            _channel: channel,
        }
    }

    /// The call has ended with this code, if the peer sent one.
    pub(crate) fn ended(mut self, code: Option<Code>) {
        self.ok |= code == Some(Code::Ok);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.subchannel.calls.end(self.ok);
    }
}
