//! A request's body, kept so that it can be sent a second time.
//!
//! A retry sends the same messages again. Those of a unary call are at hand at once and cost nothing
//! to keep; those of a stream are kept up to a limit, and the call is committed beyond it (gRFC A6,
//! "when retries are valid").

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use tonic::Status;
use tonic::body::Body;

/// What a call sends.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it.
    Complete(Vec<Bytes>),
    /// A stream of which more is to come.
    Streaming(Replay),
}

/// A stream of messages that remembers what it gave.
#[derive(Clone, Debug)]
pub(crate) struct Replay(Arc<Mutex<Source>>);

/// One attempt's place in a [`Replay`]. An attempt that was given up may still poll it for a moment
/// on another thread, but takes nothing any more.
#[derive(Debug)]
pub(crate) struct Cursor {
    source: Arc<Mutex<Source>>,
    next: usize,
    attempt: u64,
}

#[derive(Debug)]
struct Source {
    body: Body,
    /// The messages that may have to be sent again, or were gathered and not sent yet.
    kept: VecDeque<Bytes>,
    /// The sum of their lengths.
    kept_bytes: usize,
    limit: usize,
    replayable: bool,
    /// The attempt whose cursor is the newest.
    attempt: u64,
    ended: bool,
    error: Option<Status>,
}

// === impl Payload ===

impl Payload {
    /// Takes what a body has at once, up to `limit` bytes.
    ///
    /// # Errors
    ///
    /// The body's own error.
    pub(crate) fn gather(
        mut body: Body,
        limit: usize,
        cx: &mut Context<'_>,
    ) -> Result<Self, Status> {
        let mut frames = Vec::with_capacity(1);
        let mut bytes = 0;
        while bytes <= limit {
            match poll_data(&mut body, cx) {
                Poll::Ready(None) => return Ok(Self::Complete(frames)),
                Poll::Ready(Some(Err(status))) => return Err(status),
                Poll::Ready(Some(Ok(data))) => {
                    bytes += data.len();
                    frames.push(data);
                }
                Poll::Pending => break,
            }
        }
        Ok(Self::Streaming(Replay(Arc::new(Mutex::new(Source {
            body,
            kept: frames.into(),
            kept_bytes: bytes,
            limit,
            replayable: bytes <= limit,
            attempt: 0,
            ended: false,
            error: None,
        })))))
    }

    /// Ends the attempt before, whose cursor takes nothing from here on. Returns whether all of it
    /// can be sent again.
    pub(crate) fn rewind(&self) -> bool {
        match self {
            Self::Complete(_) => true,
            Self::Streaming(replay) => {
                let mut source = replay.lock();
                source.attempt += 1;
                source.replayable
            }
        }
    }

    /// The stream, if it is one.
    pub(crate) fn replay(&self) -> Option<Replay> {
        match self {
            Self::Complete(_) => None,
            Self::Streaming(replay) => Some(replay.clone()),
        }
    }

    /// Keeps no more: the call will not be sent again.
    pub(crate) fn commit(&self) {
        if let Self::Streaming(replay) = self {
            replay.lock().replayable = false;
        }
    }

    /// The body's own error, if it had one.
    pub(crate) fn take_error(&self) -> Option<Status> {
        match self {
            Self::Complete(_) => None,
            Self::Streaming(replay) => replay.take_error(),
        }
    }
}

// === impl Replay ===

impl Replay {
    /// A place at the first message.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            source: self.0.clone(),
            next: 0,
            attempt: self.lock().attempt,
        }
    }

    /// The body's own error, if it had one.
    pub(crate) fn take_error(&self) -> Option<Status> {
        self.lock().error.take()
    }

    fn lock(&self) -> MutexGuard<'_, Source> {
        lock(&self.0)
    }
}

/// A panic inside a body leaves the messages as they were.
fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Cursor ===

impl Cursor {
    /// The next message; `Err` when the attempt was given up, or when the body failed, which
    /// [`Payload::take_error`] tells about.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let mut guard = lock(&self.source);
        let source = &mut *guard;
        if source.attempt != self.attempt {
            return Poll::Ready(Some(Err(())));
        }
        if !source.replayable {
            // What was sent will not be needed again; what was only gathered is still to be sent.
            source.kept.drain(..self.next.min(source.kept.len()));
            self.next = 0;
            if let Some(frame) = source.kept.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            return source.poll_body(cx);
        }
        if let Some(frame) = source.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(frame.clone())));
        }
        let polled = source.poll_body(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            source.kept_bytes += frame.len();
            if source.kept_bytes > source.limit {
                source.replayable = false;
                source.kept.clear();
                self.next = 0;
            } else {
                source.kept.push_back(frame.clone());
                self.next += 1;
            }
        }
        polled
    }
}

// === impl Source ===

impl Source {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = ready!(poll_data(&mut self.body, cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(status)) => {
                self.ended = true;
                self.replayable = false;
                self.error = Some(status);
                Some(Err(()))
            }
            None => {
                self.ended = true;
                None
            }
        })
    }
}

/// The next data of a body. A gRPC request has no trailers.
fn poll_data(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(status)) => return Poll::Ready(Some(Err(status))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use std::task::Waker;

    /// A body that gives these frames and, between them, is pending where `None` stands.
    struct Script(VecDeque<Option<&'static str>>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Some(text)) => {
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
                }
            }
        }
    }

    fn gather(script: &[Option<&'static str>], limit: usize) -> Payload {
        let body = Body::new(Script(script.iter().copied().collect()));
        Payload::gather(body, limit, &mut Context::from_waker(Waker::noop())).unwrap()
    }

    fn read(cursor: &mut Cursor, most: usize) -> Vec<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut frames = Vec::new();
        while frames.len() < most {
            match cursor.poll_frame(&mut cx) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) => frames.push(frame),
                Poll::Ready(_) => break,
            }
        }
        frames
    }

    #[test]
    fn a_unary_request_is_complete_at_once() {
        let Payload::Complete(frames) = gather(&[Some("one")], 1_024) else {
            panic!("nothing was pending");
        };
        assert_eq!(frames, ["one"]);
    }

    #[test]
    fn a_stream_is_sent_again_from_its_first_message() {
        let payload = gather(
            &[Some("one"), None, Some("two"), None, Some("three")],
            1_024,
        );
        let Payload::Streaming(replay) = &payload else {
            panic!("a message was pending");
        };
        assert_eq!(read(&mut replay.cursor(), 2), ["one", "two"]);
        assert!(payload.rewind());
        assert_eq!(read(&mut replay.cursor(), 9), ["one", "two", "three"]);
    }

    #[test]
    fn an_attempt_that_was_given_up_takes_nothing_from_the_next() {
        let payload = gather(&[Some("one"), None, Some("two"), Some("three")], 1_024);
        let Payload::Streaming(replay) = &payload else {
            panic!("a message was pending");
        };
        let mut given_up = replay.cursor();
        assert_eq!(read(&mut given_up, 1), ["one"]);
        assert!(payload.rewind());
        assert_eq!(read(&mut given_up, 9), [""; 0]);
        assert_eq!(read(&mut replay.cursor(), 9), ["one", "two", "three"]);
    }

    #[test]
    fn a_committed_stream_goes_on_where_it_was() {
        let payload = gather(&[Some("one"), None, Some("two"), Some("three")], 1_024);
        let Payload::Streaming(replay) = &payload else {
            panic!("a message was pending");
        };
        let mut cursor = replay.cursor();
        assert_eq!(read(&mut cursor, 1), ["one"]);
        payload.commit();
        assert_eq!(read(&mut cursor, 9), ["two", "three"]);
        assert!(!payload.rewind());
    }

    #[test]
    fn beyond_the_limit_nothing_is_kept_and_nothing_is_lost() {
        let payload = gather(&[Some("one"), None, Some("too long"), Some("three")], 8);
        let Payload::Streaming(replay) = &payload else {
            panic!("a message was pending");
        };
        assert_eq!(read(&mut replay.cursor(), 9), ["one", "too long", "three"]);
        assert!(!payload.rewind(), "11 bytes are more than 8");

        let payload = gather(&[Some("longer than the limit"), Some("rest")], 8);
        let Payload::Streaming(replay) = &payload else {
            panic!("gathering stops at the limit");
        };
        assert!(!payload.rewind());
        assert_eq!(
            read(&mut replay.cursor(), 9),
            ["longer than the limit", "rest"]
        );
    }
}
