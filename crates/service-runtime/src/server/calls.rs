//! The calls of one connection: answered in the connection's own turn where that is possible, and
//! tasks of their own where it is not.
//!
//! hyper hands each call over as a future, which is usually spawned. A task of its own for a call that
//! is answered from memory costs more than the answer; and worse, each task that ends wakes the
//! connection, which then writes one response with one system call. So a call is first polled here,
//! after the connection has read whatever has arrived. What is ready goes out together: one write for
//! all the calls of a turn. Whoever has to wait, for a database or for more of the request, becomes a
//! task then.
//!
//! A handler that computes keeps the others of its connection waiting, but not for long: after
//! [`TURN`] the rest of the calls become tasks, which other threads take over.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio_util::task::TaskTracker;

use super::stall::Call;
use super::turn::TurnTimer;

/// How long the calls of one turn may take before the rest become tasks: two hundred small calls, so that
/// one who sends that many at once is still answered with a few writes.
const TURN: Duration = Duration::from_millis(1);

/// Takes the calls of one connection from hyper, and counts them. Clones share both.
#[derive(Clone)]
pub(super) struct Calls {
    tracker: TaskTracker,
    write_timeout: Duration,
    new: Arc<Mutex<Vec<Waiting>>>,
}

/// A call that nobody has polled yet, or that was not answered at once.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    /// A connection together with its calls.
    pub(super) struct WithCalls<C> {
        #[pin]
        connection: C,
        calls: Calls,
        timer: TurnTimer,
        // Kept for its allocation.
        turn: Vec<Waiting>,
    }
}

// === impl Calls ===

impl Calls {
    pub(super) fn new(tracker: TaskTracker, write_timeout: Duration) -> Self {
        Self {
            tracker,
            write_timeout,
            new: Arc::default(),
        }
    }

    /// Nothing panics while it is locked.
    fn new_ones(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls each call once; returns whether there was one.
    fn take_turn(&self, turn: &mut Vec<Waiting>) -> bool {
        std::mem::swap(&mut *self.new_ones(), turn);
        if turn.is_empty() {
            return false;
        }
        // Whoever is not ready is polled again as a task, and says then what is to wake it.
        let mut cx = Context::from_waker(Waker::noop());
        let end = Instant::now() + TURN;
        let mut calls = turn.drain(..);
        for mut call in calls.by_ref() {
            if call.as_mut().poll(&mut cx).is_pending() {
                tokio::spawn(call);
            }
            if Instant::now() >= end {
                break;
            }
        }
        calls.for_each(|call| drop(tokio::spawn(call)));
        true
    }
}

impl<F> Executor<F> for Calls
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, call: F) {
        let call = Call::new(call, self.write_timeout);
        let call = Box::pin(self.tracker.track_future(call));
        self.new_ones().push(call);
    }
}

// === impl WithCalls ===

impl<C> WithCalls<C> {
    /// `connection` is one that was made with `calls` as its executor and with this timer.
    pub(super) fn new(connection: C, calls: Calls, timer: TurnTimer) -> Self {
        Self {
            connection,
            calls,
            timer,
            turn: Vec::new(),
        }
    }

    /// The connection itself.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for WithCalls<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        this.timer.begin();
        loop {
            let polled = this.connection.as_mut().poll(cx);
            // What the calls have answered is sent when the connection is polled again.
            if !this.calls.take_turn(this.turn) || polled.is_ready() {
                return polled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;

    /// What happened: the connection was polled, or a call was, as a task of its own or not.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Event {
        Connection,
        Call { is_task: bool },
    }

    fn calls() -> Calls {
        Calls::new(TaskTracker::new(), Duration::from_secs(30))
    }

    /// A connection that has read some calls when it is polled first.
    fn connection<F>(
        calls: &Calls,
        read: Vec<F>,
        events: UnboundedSender<Event>,
    ) -> WithCalls<impl Future<Output = ()>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut read = Some(read);
        let executor = calls.clone();
        let connection = poll_fn(move |_| {
            events.send(Event::Connection).unwrap();
            for call in read.take().into_iter().flatten() {
                executor.execute(call);
            }
            Poll::Pending
        });
        WithCalls::new(connection, calls.clone(), TurnTimer::new())
    }

    /// Answers when it is polled, after it has computed for so long.
    fn call(
        events: UnboundedSender<Event>,
        length: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        poll_fn(move |_| {
            let end = Instant::now() + length;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            let is_task = tokio::task::try_id().is_some();
            events.send(Event::Call { is_task }).unwrap();
            Poll::Ready(())
        })
    }

    fn seen(events: &mut UnboundedReceiver<Event>) -> Vec<Event> {
        std::iter::from_fn(|| events.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn what_arrived_together_is_answered_together() {
        let (sender, mut events) = unbounded_channel();
        let calls = calls();
        let read = (0..3)
            .map(|_| call(sender.clone(), Duration::ZERO))
            .collect();
        let mut connection = std::pin::pin!(connection(&calls, read, sender));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connection.as_mut().poll(&mut cx).is_pending());
        let answered = Event::Call { is_task: false };
        let expected = [
            Event::Connection,
            answered,
            answered,
            answered,
            Event::Connection,
        ];
        assert_eq!(seen(&mut events), expected, "one write for all answers");
        assert!(calls.tracker.is_empty(), "no call is left");
    }

    #[tokio::test]
    async fn a_call_that_waits_becomes_a_task() {
        let (sender, _events) = unbounded_channel();
        let calls = calls();
        let mut connection = std::pin::pin!(connection(&calls, vec![pending()], sender));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connection.as_mut().poll(&mut cx).is_pending());
        assert_eq!(calls.tracker.len(), 1, "it is counted while it waits");
        assert!(calls.new_ones().is_empty(), "the connection has it no more");
    }

    #[tokio::test]
    async fn behind_a_call_that_computes_the_others_become_tasks() {
        let (sender, mut events) = unbounded_channel();
        let calls = calls();
        let lengths = [TURN * 2, Duration::ZERO, Duration::ZERO];
        let read = lengths.map(|length| call(sender.clone(), length)).into();
        let mut connection = std::pin::pin!(connection(&calls, read, sender));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connection.as_mut().poll(&mut cx).is_pending());
        let first = [
            Event::Connection,
            Event::Call { is_task: false },
            Event::Connection,
        ];
        assert_eq!(seen(&mut events), first);
        for _ in 0..2 {
            let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
            assert_eq!(event.unwrap(), Some(Event::Call { is_task: true }));
        }
    }
}
