//! Callers that do not read: an answer that HTTP/2's flow control keeps back for too long is given up.
//!
//! hyper asks a body for its next frame only when the peer's window has room for it. A peer that opens
//! no window would therefore hold its calls, with their messages and their places, for as long as it
//! likes, and no deadline inside of the body could ever end them. So the body notes when it was asked
//! last, and the task of the call, which is woken in any case, looks at the clock.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

task_local! {
    /// Whether the call of this task waits for its peer's window.
    static BLOCKED: Cell<Option<Blocked>>;
}

/// What a body has noted while it was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    /// It gave something, and waits for the peer.
    Anew,
    /// It was asked, and has nothing to give.
    No,
}

pin_project! {
    /// A call's task: ends it when the peer reads nothing for too long.
    pub(super) struct Call<F> {
        #[pin]
        inner: F,
        blocked: Option<Instant>,
        timeout: Duration,
        #[pin]
        sleep: Option<Sleep>,
    }
}

pin_project! {
    /// The future of a response whose body notes when it is asked.
    pub struct Noting<F> {
        #[pin]
        inner: F,
    }
}

pin_project! {
    /// The body.
    pub struct Noted<B> {
        #[pin]
        inner: B,
    }
}

fn note(blocked: Blocked) {
    // Outside of a call nobody looks.
    let _ = BLOCKED.try_with(|it| it.set(Some(blocked)));
}

// === impl Call ===

impl<F: Future> Call<F> {
    pub(super) fn new(call: F, timeout: Duration) -> Self {
        Self {
            inner: call,
            blocked: None,
            timeout,
            sleep: None,
        }
    }
}

impl<F: Future> Future for Call<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let inner = this.inner.as_mut();
        let (poll, noted) = BLOCKED.sync_scope(Cell::new(None), || {
            (inner.poll(cx), BLOCKED.with(Cell::get))
        });
        // Most calls end here, and never ask for the time.
        if poll.is_ready() {
            return Poll::Ready(());
        }
        match noted {
            Some(Blocked::Anew) => *this.blocked = Some(Instant::now()),
            Some(Blocked::No) => *this.blocked = None,
            None => {}
        }
        loop {
            let Some(end) = this
                .blocked
                .and_then(|since| since.checked_add(*this.timeout))
            else {
                this.sleep.set(None);
                return Poll::Pending;
            };
            if Instant::now() >= end {
                tracing::info!("a caller reads nothing; its call is given up");
                return Poll::Ready(());
            }
            let armed = this.sleep.as_ref().as_pin_ref().map(|it| it.deadline());
            if armed != Some(end) {
                this.sleep.set(Some(sleep_until(end)));
            }
            if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
                ready!(sleep.poll(cx));
            }
        }
    }
}

// === impl Noting ===

impl<F> Noting<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner }
    }
}

impl<F, B, E> Future for Noting<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Noted<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx))?;
        // From here on it is the peer's turn, until the body is asked.
        note(Blocked::Anew);
        Poll::Ready(Ok(response.map(|inner| Noted { inner })))
    }
}

// === impl Noted ===

impl<B: Body> Body for Noted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = self.project().inner.poll_frame(cx);
        // A body that has nothing is waited for; one that gave something waits for the peer.
        note(if frame.is_ready() {
            Blocked::Anew
        } else {
            Blocked::No
        });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
