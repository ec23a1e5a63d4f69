//! A stream of messages that several attempts read, each from the beginning.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tonic::Status;

use super::AttemptId;
use super::messages::Messages;
use crate::call::buffer::Kept;

/// A stream of messages that remembers what it gave.
#[derive(Clone, Debug)]
pub(crate) struct Replay(Arc<Mutex<Source>>);

/// One attempt's place in a [`Replay`]. An attempt that was given up may still poll it for a moment
/// on another thread, but takes nothing any more.
#[derive(Debug)]
pub(crate) struct Cursor {
    source: Arc<Mutex<Source>>,
    next: usize,
    id: AttemptId,
}

/// What the cursors share.
#[derive(Debug)]
pub(super) struct Source {
    messages: Messages,
    /// The messages that may have to be sent again, or were gathered and not sent yet.
    frames: VecDeque<Bytes>,
    kept: Kept,
    replayable: bool,
    /// Whether a message was given that is not kept.
    taken: bool,
    attempts: u64,
    /// The attempts that still read. Only one of them is left when nothing is kept any more.
    live: Vec<AttemptId>,
    /// The cursors that wait for the next message. The body itself knows only the last that asked.
    waiting: Vec<Waker>,
}

// === impl Replay ===

impl Replay {
    pub(super) fn new(source: Source) -> Self {
        Self(Arc::new(Mutex::new(source)))
    }

    /// A new attempt's place, at the first message.
    pub(super) fn cursor(&self) -> Cursor {
        let mut source = self.lock();
        let id = AttemptId(source.attempts);
        source.attempts += 1;
        // One that begins when the call already goes on with another has lost from the start.
        if source.replayable || (!source.taken && source.live.is_empty()) {
            source.live.push(id);
        }
        Cursor {
            source: self.0.clone(),
            next: 0,
            id,
        }
    }

    pub(super) fn is_replayable(&self) -> bool {
        self.lock().replayable
    }

    pub(super) fn give_up(&self, attempt: AttemptId) {
        let mut source = self.lock();
        source.live.retain(|live| *live != attempt);
        wake(source);
    }

    pub(super) fn is_lost(&self, attempt: AttemptId) -> bool {
        let source = self.lock();
        !source.replayable && !source.live.contains(&attempt)
    }

    pub(super) fn commit(&self, attempt: AttemptId) {
        let mut source = self.lock();
        source.replayable = false;
        source.kept.release();
        source.live = vec![attempt];
        wake(source);
    }

    /// The body's own error, if it had one.
    pub(crate) fn take_error(&self) -> Option<Status> {
        self.lock().messages.take_error()
    }

    fn lock(&self) -> MutexGuard<'_, Source> {
        lock(&self.0)
    }
}

/// A panic inside a body leaves the messages as they were.
fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets every cursor that waits look again.
fn wake(mut source: MutexGuard<'_, Source>) {
    let waiting = std::mem::take(&mut source.waiting);
    drop(source);
    waiting.into_iter().for_each(Waker::wake);
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn id(&self) -> AttemptId {
        self.id
    }

    /// The next message; `Err` when the attempt was given up, or when the body failed, which
    /// [`Replay::take_error`] tells about.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let mut source = lock(&self.source);
        if !source.live.contains(&self.id) {
            return Poll::Ready(Some(Err(())));
        }
        if !source.replayable {
            // What was sent will not be needed again; what was only gathered is still to be sent.
            source.taken = true;
            let sent = self.next.min(source.frames.len());
            source.frames.drain(..sent);
            self.next = 0;
            if let Some(frame) = source.frames.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
        } else if let Some(frame) = source.frames.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(frame.clone())));
        }
        let Poll::Ready(polled) = source.messages.poll_next(cx) else {
            if !source.waiting.iter().any(|w| w.will_wake(cx.waker())) {
                source.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        };
        match &polled {
            Some(Ok(frame)) if source.replayable => {
                if source.kept.keep(frame.len()) {
                    source.frames.push_back(frame.clone());
                    self.next += 1;
                } else {
                    // Only this attempt has all that was sent, so the call goes on with it alone.
                    source.replayable = false;
                    source.taken = true;
                    source.frames.clear();
                    source.live = vec![self.id];
                    self.next = 0;
                }
            }
            Some(Err(())) => source.replayable = false,
            Some(Ok(_)) | None => {}
        }
        source.waiting.retain(|w| !w.will_wake(cx.waker()));
        wake(source);
        Poll::Ready(polled)
    }
}

impl Drop for Cursor {
    /// The body may know only this cursor's waker; another cursor has to ask it.
    fn drop(&mut self) {
        wake(lock(&self.source));
    }
}

// === impl Source ===

impl Source {
    pub(super) fn new(
        messages: Messages,
        frames: Vec<Bytes>,
        kept: Kept,
        replayable: bool,
    ) -> Self {
        Self {
            messages,
            frames: frames.into(),
            kept,
            replayable,
            taken: false,
            attempts: 0,
            live: Vec::new(),
            waiting: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::call::buffer::Buffer;
    use crate::call::message_limit::MessageLimit;
    use crate::call::payload::{Outgoing, Payload};
    use http_body::Frame;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use tonic::body::Body;

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

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(in crate::call::payload) fn gather_within(
        script: &[Option<&'static str>],
        limit: usize,
        most: Option<u32>,
    ) -> Result<Payload, Status> {
        let body = Body::new(Script(script.iter().copied().collect()));
        Payload::gather(
            body,
            MessageLimit::requests(most),
            Arc::new(Buffer::new(limit, usize::MAX)).begin(),
            &mut Context::from_waker(Waker::noop()),
        )
    }

    pub(in crate::call::payload) fn gather(
        script: &[Option<&'static str>],
        limit: usize,
    ) -> Payload {
        gather_within(script, limit, None).unwrap()
    }

    fn cursor(payload: &Payload) -> Cursor {
        match payload.begin().1 {
            Outgoing::Streaming(cursor) => cursor,
            Outgoing::Complete(_) => panic!("a message was pending"),
        }
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
    fn a_stream_is_sent_again_from_its_first_message() {
        let payload = gather(
            &[Some("one"), None, Some("two"), None, Some("three")],
            1_024,
        );
        assert_eq!(read(&mut cursor(&payload), 2), ["one", "two"]);
        assert!(payload.is_replayable());
        assert_eq!(read(&mut cursor(&payload), 9), ["one", "two", "three"]);
    }

    #[test]
    fn an_attempt_that_was_given_up_takes_nothing_from_the_next() {
        let payload = gather(&[Some("one"), None, Some("two"), Some("three")], 1_024);
        let mut given_up = cursor(&payload);
        assert_eq!(read(&mut given_up, 1), ["one"]);
        payload.give_up(given_up.id());
        assert_eq!(read(&mut given_up, 9), [""; 0]);
        assert_eq!(read(&mut cursor(&payload), 9), ["one", "two", "three"]);
    }

    #[test]
    fn attempts_at_the_same_time_read_the_same_each_at_its_own_pace() {
        let payload = gather(&[Some("one"), None, Some("two"), Some("three")], 1_024);
        let (mut first, mut second) = (cursor(&payload), cursor(&payload));
        assert_eq!(read(&mut first, 2), ["one", "two"]);
        assert_eq!(read(&mut second, 9), ["one", "two", "three"]);
        assert_eq!(read(&mut first, 9), ["three"]);
    }

    #[test]
    fn a_committed_stream_goes_on_where_its_attempt_was() {
        let payload = gather(&[Some("one"), None, Some("two"), Some("three")], 1_024);
        let (mut winner, mut loser) = (cursor(&payload), cursor(&payload));
        assert_eq!(read(&mut winner, 1), ["one"]);
        assert_eq!(read(&mut loser, 2), ["one", "two"]);
        payload.commit(winner.id());
        assert!(!payload.is_replayable());
        assert!(payload.is_lost(loser.id()) && !payload.is_lost(winner.id()));
        assert_eq!(read(&mut loser, 9), [""; 0], "it has lost");
        assert_eq!(read(&mut winner, 9), ["two", "three"]);
    }

    #[test]
    fn beyond_the_limit_nothing_is_kept_and_nothing_is_lost() {
        let payload = gather(&[Some("one"), None, Some("too long"), Some("three")], 8);
        assert_eq!(read(&mut cursor(&payload), 9), ["one", "too long", "three"]);
        assert!(!payload.is_replayable(), "11 bytes are more than 8");

        let payload = gather(&[Some("longer than the limit"), Some("rest")], 8);
        assert!(!payload.is_replayable());
        assert_eq!(
            read(&mut cursor(&payload), 9),
            ["longer than the limit", "rest"]
        );
    }

    #[test]
    fn beyond_the_limit_only_the_attempt_that_got_furthest_goes_on() {
        let payload = gather(&[Some("one"), None, Some("too long"), Some("three")], 8);
        let (mut first, mut second) = (cursor(&payload), cursor(&payload));
        assert_eq!(read(&mut first, 1), ["one"]);
        assert_eq!(read(&mut second, 2), ["one", "too long"]);
        assert_eq!(read(&mut first, 9), [""; 0], "its next message is gone");
        assert!(payload.is_lost(first.id()));
        let mut late = cursor(&payload);
        assert_eq!(read(&mut late, 9), [""; 0], "it came too late");
        assert!(payload.is_lost(late.id()));
        assert_eq!(read(&mut second, 9), ["three"]);
    }

    #[test]
    fn every_attempt_that_waits_is_woken_also_when_the_last_that_asked_has_gone() {
        let payload = gather(&[Some("one"), None, None, None, None, Some("two")], 1_024);
        let (mut first, mut second) = (cursor(&payload), cursor(&payload));
        let [for_first, for_second] = [(); 2].map(|()| Arc::new(Woken::default()));
        let woken = |woken: &Arc<Woken>| woken.0.load(Ordering::SeqCst);
        for (cursor, woken) in [(&mut first, &for_first), (&mut second, &for_second)] {
            assert_eq!(read(cursor, 1), ["one"]);
            let waker = Waker::from(woken.clone());
            assert!(
                cursor
                    .poll_frame(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let before = woken(&for_first);
        drop(second);
        assert!(woken(&for_first) > before, "it has to ask the body itself");

        let before = woken(&for_first);
        let waker = Waker::from(for_first.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(first.poll_frame(&mut cx).is_pending());
        assert_eq!(read(&mut cursor(&payload), 2), ["one", "two"]);
        assert!(woken(&for_first) > before, "a message has come");
    }
}
