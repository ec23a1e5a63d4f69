//! A call's response as it arrives.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::connection::InFlight;
use super::stream_error::{Failure, Progress, status};
use crate::call::{Guard, Kept, MessageLimit, Replay, deadline_exceeded, is_deadline};
use crate::resolver::Address;

/// The body of a response: its messages and then its trailers.
///
/// It keeps the channel alive, so a stream outlives the clones of the channel it came from. Dropping
/// it before its end cancels the call.
pub struct ResponseBody {
    address: Address,
    /// `None` when the call has ended, whether or not the caller still holds this.
    live: Option<Live>,
}

/// What there is of a call until it ends. Dropping it before that cancels the call.
struct Live {
    stream: RecvStream,
    /// What has come before the caller asked for it.
    held: VecDeque<Part>,
    /// Whether the last message has come.
    trailers: bool,
    in_flight: InFlight,
    committed: Option<Committed>,
    /// Ends the request's own task with the call.
    _pump: Option<AbortOnDropHandle<()>>,
}

/// What a stream gives.
enum Part {
    Data(Bytes),
    /// The end, with the trailers if there were any.
    End(Option<HeaderMap>),
}

/// What belongs to the call as a whole, from when this became its response.
pub(crate) struct Committed {
    pub(crate) guard: Guard,
    pub(crate) deadline: Option<Pin<Box<Sleep>>>,
    pub(crate) limit: Option<MessageLimit>,
    /// A request that is still being made, whose own error explains why its stream was reset.
    pub(crate) request: Option<Replay>,
}

// === impl ResponseBody ===

impl ResponseBody {
    pub(super) fn new(
        stream: RecvStream,
        address: Address,
        in_flight: InFlight,
        pump: Option<AbortOnDropHandle<()>>,
    ) -> Self {
        Self {
            address,
            live: Some(Live {
                stream,
                held: VecDeque::new(),
                trailers: false,
                in_flight,
                committed: None,
                _pump: pump,
            }),
        }
    }

    /// Hands over what belongs to the call as a whole.
    pub(crate) fn attach(&mut self, committed: Committed) {
        if let Some(live) = &mut self.live {
            live.committed = Some(committed);
        }
    }

    /// Waits for the whole response, as far as it may be kept, and gives it out afterwards.
    ///
    /// # Errors
    ///
    /// How the stream broke, of which nothing was given out.
    pub(crate) async fn hold(&mut self, mut kept: Kept) -> Result<(), Failure> {
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        loop {
            match poll_fn(|cx| live.poll_part(cx)).await {
                Ok(part) => {
                    let more = matches!(&part, Part::Data(data) if kept.keep(data.len()));
                    live.held.push_back(part);
                    if !more {
                        return Ok(());
                    }
                }
                Err(error) => {
                    return Err(Failure {
                        status: live.failure(&error, &self.address),
                        progress: Progress::Unknown,
                    });
                }
            }
        }
    }

    fn end(&mut self, code: Option<tonic::Code>) {
        let live = self.live.take();
        if let Some(committed) = live.and_then(|live| live.committed) {
            committed.guard.ended(code);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(live) = &mut this.live else {
            return Poll::Ready(None);
        };
        let polled = ready!(live.poll_frame(cx, &this.address));
        match &polled {
            Some(Ok(frame)) if frame.is_data() => {}
            Some(Ok(frame)) => this.end(frame.trailers_ref().and_then(crate::call::code_of)),
            Some(Err(status)) => {
                let code = status.code();
                this.end(Some(code));
            }
            None => this.end(None),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.live.is_none()
    }
}

// === impl Live ===

impl Live {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        address: &Address,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let deadline = self.committed.as_mut().and_then(|c| c.deadline.as_mut());
        if deadline.is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(deadline_exceeded())));
        }
        let part = match self.held.pop_front() {
            Some(part) => part,
            None => match ready!(self.poll_part(cx)) {
                Ok(part) => part,
                Err(error) => return Poll::Ready(Some(Err(self.failure(&error, address)))),
            },
        };
        Poll::Ready(match part {
            Part::Data(data) => {
                if let Some(committed) = &mut self.committed {
                    committed.guard.received(&data);
                }
                let limit = self.committed.as_mut().and_then(|c| c.limit.as_mut());
                match limit.map(|limit| limit.check(&data)) {
                    Some(Err(status)) => Some(Err(status)),
                    _ => Some(Ok(Frame::data(data))),
                }
            }
            Part::End(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, h2::Error>> {
        if !self.trailers {
            if let Some(data) = ready!(self.stream.poll_data(cx)?) {
                // It fails only for a stream that is gone, which the next poll reports.
                let _ = self.stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Ok(Part::Data(data)));
            }
            self.trailers = true;
        }
        self.stream.poll_trailers(cx).map_ok(Part::End)
    }

    fn failure(&self, error: &h2::Error, address: &Address) -> Status {
        let committed = self.committed.as_ref();
        let request = committed.and_then(|c| c.request.as_ref());
        if let Some(own) = request.and_then(Replay::take_error) {
            return own;
        }
        let status = status(error, address, self.in_flight.given_up());
        let deadline = committed.and_then(|c| c.deadline.as_ref());
        let deadline = deadline.map(|sleep| sleep.deadline());
        if is_deadline(&status, deadline) {
            return deadline_exceeded();
        }
        status
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("address", &self.address)
            .field("ended", &self.live.is_none())
            .finish_non_exhaustive()
    }
}
