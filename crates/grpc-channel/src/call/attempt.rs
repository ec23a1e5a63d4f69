//! One attempt of a call: a pick, the credentials, and the request on the connection that was picked.

use std::sync::Arc;

use http::{HeaderValue, Method, Uri, Version};
use tokio::time::Instant;
use tonic::Code;

use super::hedging::Used;
use super::options;
use super::payload::{AttemptId, Outgoing};
use super::pushback::Pushback;
use super::retry::Failed;
use super::{Call, code_of, is_deadline};
use crate::channel::Inner;
use crate::metrics::CallAttemptTracer;
use crate::picker::{Candidate, Picker};
use crate::subchannel::{Outcome, Subchannel};
use crate::transport::{Failure, Progress, ResponseBody};

/// What gRFC A6 calls a retry by policy announces itself with.
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// The beginning of a server's response.
pub(super) struct Answer {
    pub(super) response: http::Response<ResponseBody>,
    pub(super) guard: Guard,
    pub(super) id: AttemptId,
}

/// How an attempt ended that did not succeed.
pub(super) enum Ended {
    /// With an answer that has nothing but an error.
    Answered(Box<Answer>),
    Failed(Failure),
}

/// Counts an attempt's end, however it ends, and keeps the channel alive until then.
pub(crate) struct Guard {
    subchannel: Arc<Subchannel>,
    /// `None` for as long as nobody has said it.
    outcome: Option<Outcome>,
    deadline: Option<Instant>,
    /// `None` until there is an answer.
    tracer: Option<CallAttemptTracer>,
    channel: Arc<Inner>,
}

// === impl Answer ===

impl Answer {
    /// The code of a response that is nothing but an error, and so may be followed by another
    /// attempt.
    fn refusal(&self) -> Option<Code> {
        code_of(self.response.headers()).filter(|code| *code != Code::Ok)
    }
}

// === impl Ended ===

impl Ended {
    /// The answer to be taken, or else why there is none.
    pub(super) fn of(result: Result<Answer, Failure>) -> Result<Answer, Self> {
        match result {
            Ok(answer) if answer.refusal().is_none() => Ok(answer),
            Ok(answer) => Err(Self::Answered(Box::new(answer))),
            Err(failure) => Err(Self::Failed(failure)),
        }
    }

    /// What decides about another attempt.
    pub(super) fn failed(&self, replayable: bool) -> Failed {
        match self {
            Self::Answered(answer) => Failed {
                progress: Progress::Unknown,
                code: answer.refusal().unwrap_or(Code::Unknown),
                pushback: Pushback::of(answer.response.headers()),
                replayable,
            },
            Self::Failed(failure) => Failed {
                progress: failure.progress,
                code: failure.status.code(),
                pushback: None,
                replayable,
            },
        }
    }
}

// === impl Guard ===

impl Guard {
    fn new(subchannel: &Arc<Subchannel>, deadline: Option<Instant>, channel: Arc<Inner>) -> Self {
        subchannel.calls.start();
        Self {
            subchannel: subchannel.clone(),
            outcome: None,
            deadline,
            tracer: None,
            channel,
        }
    }

    /// The call has ended with this code, if the peer sent one.
    pub(crate) fn ended(mut self, code: Option<Code>) {
        self.note(code.or(Some(Code::Unknown)));
        if let Some(tracer) = &mut self.tracer {
            tracer.ended(code);
        }
    }

    /// These bytes of the response are handed to the caller.
    pub(crate) fn received(&mut self, data: &[u8]) {
        if let Some(tracer) = &mut self.tracer {
            tracer.received(data);
        }
    }

    /// The call goes on with this attempt alone.
    pub(super) fn commit(&mut self) {
        if let Some(tracer) = &mut self.tracer {
            tracer.commit();
        }
    }

    /// There is an answer; if it is trailers only, it has the status.
    fn answered(&mut self, response: &http::Response<ResponseBody>, mut tracer: CallAttemptTracer) {
        tracer.answered(response.headers());
        self.tracer = Some(tracer);
        self.note(code_of(response.headers()));
    }

    /// This is the code, if the peer has sent one; the first one counts.
    fn note(&mut self, code: Option<Code>) {
        let outcome = code.map(|code| match code {
            Code::Ok => Outcome::Succeeded,
            _ => Outcome::Failed,
        });
        self.outcome = self.outcome.or(outcome);
    }

    /// How the attempt ended. One that nobody waited for any longer was cancelled, unless that was
    /// because its time was over: a replica that is too slow has failed.
    fn outcome(&self) -> Outcome {
        let late = || self.deadline.is_some_and(|at| at <= Instant::now());
        match self.outcome {
            Some(outcome) => outcome,
            None if late() => Outcome::Failed,
            None => Outcome::Cancelled,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let outcome = self.outcome();
        self.subchannel.calls.end(outcome);
        if let Some(throttle) = &self.channel.throttle
            && outcome == Outcome::Succeeded
        {
            throttle.succeeded();
        }
    }
}

// === impl Call ===

impl Call {
    /// Sends the call once, after `previous` other attempts; `transparent` when the one before was seen
    /// by no server. A hedged call avoids the replicas that were used.
    pub(super) async fn attempt(
        &self,
        previous: u32,
        transparent: bool,
        used: Option<&Used>,
    ) -> (AttemptId, Result<Answer, Failure>) {
        let mut tracer = self.tracer.attempt(previous, transparent);
        loop {
            let (id, outgoing) = self.payload.begin();
            let sending = self.send_once(previous, used, id, outgoing, &tracer);
            match sending.await {
                // The connection was closed between the pick and the stream: the attempt goes on with
                // another pick. The driver and the balancer may need a turn to see it too.
                Err(failure) if failure.progress == Progress::NotSent => {
                    self.payload.give_up(id);
                    tokio::task::yield_now().await;
                }
                Err(failure) => {
                    tracer.ended(Some(self.code(&failure)));
                    return (id, Err(failure));
                }
                Ok((response, mut guard)) => {
                    guard.answered(&response, tracer);
                    let answer = Answer {
                        response,
                        guard,
                        id,
                    };
                    return (id, Ok(answer));
                }
            }
        }
    }

    /// What a failure is to the caller.
    pub(super) fn code(&self, failure: &Failure) -> Code {
        if is_deadline(&failure.status, self.deadline) {
            Code::DeadlineExceeded
        } else {
            failure.status.code()
        }
    }

    async fn send_once(
        &self,
        previous: u32,
        used: Option<&Used>,
        id: AttemptId,
        outgoing: Outgoing<'_>,
        tracer: &CallAttemptTracer,
    ) -> Result<(http::Response<ResponseBody>, Guard), Failure> {
        let candidate = self.pick(used).await?;
        let uri = self.uri(&candidate.subchannel);
        let mut head = self.head(previous, uri.clone());
        tracer.sending(&candidate.subchannel.address, head.headers_mut());
        if let Some(credentials) = &self.channel.credentials {
            let added = credentials.add(head.headers_mut(), &uri).await;
            added.map_err(Failure::without_credentials)?;
        }
        let channel = self.channel.clone();
        let mut guard = Guard::new(&candidate.subchannel, self.deadline, channel);
        let place = candidate.pool.reserve().await?;
        match place.send(head, outgoing, tracer.sent()).await {
            Ok(response) => Ok((response, guard)),
            Err(failure) => {
                // Another attempt may have the request, so that this one could not go on.
                if !self.payload.is_lost(id) {
                    guard.note(Some(failure.status.code()));
                }
                Err(failure)
            }
        }
    }

    /// The replica to use. Waits while one is being made, and, if the call wants it, also while
    /// none can be.
    async fn pick(&self, used: Option<&Used>) -> Result<Candidate, Failure> {
        let picked = self.channel.slot.wait(|picker| match picker {
            Picker::Ready(rotation) => {
                let mut candidate = rotation.pick();
                if let Some(used) = used {
                    // With calls that pick at the same time the turns of this one are not the next
                    // ones, so it may take some more.
                    for _ in 0..2 * used.count() {
                        if !used.contains(&candidate.subchannel) {
                            break;
                        }
                        candidate = rotation.pick();
                    }
                    used.add(&candidate.subchannel);
                }
                Some(Ok(candidate.clone()))
            }
            Picker::Fail(why) if !self.wait_for_ready => Some(Err(Failure {
                status: why.status(),
                progress: Progress::NoReplica,
            })),
            Picker::Fail(_) | Picker::Queue => None,
        });
        picked.await
    }

    /// The method at the authority of the target that a replica belongs to.
    fn uri(&self, replica: &Subchannel) -> Uri {
        let uri = self.uri.clone();
        if !self.channel.levels.are_several() {
            return uri;
        }
        let mut parts = uri.into_parts();
        parts.authority = Some(replica.authority.clone());
        // It has a scheme, an authority and a path, as the one that it was.
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }

    fn head(&self, previous: u32, uri: Uri) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        let mut headers = self.headers.clone();
        if let Some(deadline) = self.deadline {
            options::set_timeout(
                &mut headers,
                deadline.saturating_duration_since(Instant::now()),
            );
        }
        if previous > 0 {
            headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(previous));
        }
        *request.headers_mut() = headers;
        request
    }
}
