//! Since when a connection has had no call, for `max_connection_idle` (gRFC A9).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep, sleep_until};

/// The calls of one connection. Clones count the same.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    calls: usize,
    /// When the last call ended, or the connection began.
    since: Instant,
}

/// A call that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Activity);

pin_project! {
    /// A response or its body, with the call that it belongs to.
    pub struct With<T> {
        #[pin]
        inner: T,
        busy: Option<Busy>,
    }
}

// === impl Activity ===

impl Activity {
    pub(super) fn begin() -> Self {
        Self(Arc::new(Mutex::new(State {
            calls: 0,
            since: Instant::now(),
        })))
    }

    pub(super) fn call(&self) -> Busy {
        self.change(|state| state.calls += 1);
        Busy(self.clone())
    }

    /// Returns when there has been no call for so long; never without a bound.
    pub(super) async fn idle_for(&self, bound: Option<Duration>) {
        let Some(bound) = bound else {
            return std::future::pending().await;
        };
        loop {
            let since = self.change(|state| (state.calls == 0).then_some(state.since));
            match since.and_then(|since| since.checked_add(bound)) {
                // It is idle a whole bound from now on at the earliest.
                None => sleep(bound).await,
                Some(end) if Instant::now() >= end => return,
                Some(end) => sleep_until(end).await,
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.calls -= 1;
            state.since = Instant::now();
        });
    }
}

// === impl With ===

impl<T> With<T> {
    pub(super) fn new(inner: T, busy: Option<Busy>) -> Self {
        Self { inner, busy }
    }
}

impl<F, B, E> Future for With<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<With<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let busy = this.busy.take();
        Poll::Ready(Ok(response.map(|inner| With::new(inner, busy))))
    }
}

impl<B: Body> Body for With<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
