//! The data of a request's body, whose messages have a limit, and how it ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use tonic::Status;
use tonic::body::Body;

use crate::call::message_limit::MessageLimit;

/// What is still to come of a request.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    limit: Option<MessageLimit>,
    ended: bool,
    /// Whether it ended with an error, also when that was taken.
    failed: bool,
    error: Option<Status>,
}

// === impl Messages ===

impl Messages {
    pub(super) fn new(body: Body, limit: Option<MessageLimit>) -> Self {
        Self {
            body,
            limit,
            ended: false,
            failed: false,
            error: None,
        }
    }

    /// The body's own error, if it had one that nobody has taken.
    pub(super) fn take_error(&mut self) -> Option<Status> {
        self.error.take()
    }

    /// The next data, any number of times also after the end; `Err` when there is an error.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        if self.ended {
            return Poll::Ready(self.failed.then_some(Err(())));
        }
        let polled = ready!(self.poll_data(cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(status)) => {
                self.ended = true;
                self.failed = true;
                self.error = Some(status);
                Some(Err(()))
            }
            None => {
                self.ended = true;
                None
            }
        })
    }

    /// The next data, not to be asked for after the end. A gRPC request has no trailers.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        let checked = self.limit.as_mut().map(|limit| limit.check(&data));
                        let checked = checked.unwrap_or(Ok(()));
                        return Poll::Ready(Some(checked.map(|()| data)));
                    }
                }
            }
        }
    }
}
