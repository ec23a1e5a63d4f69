//! What one call is measured and traced with, from its beginning until its status is known.
//!
//! The names are those of A66: a `CallTracer` for the call and a `CallAttemptTracer` for each time that
//! it is sent.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::Channel;
use super::attempt::CallAttemptTracer;
use super::methods::Labels;
use super::spans::CallSpan;

/// Follows one call; its clones and its attempts share what is known. When the last of them is
/// dropped the call has ended.
#[derive(Clone, Debug)]
pub(crate) struct CallTracer(Option<Arc<Call>>);

#[derive(Debug)]
pub(super) struct Call {
    /// `None` where only spans are wanted.
    pub(super) measured: Option<Measured>,
    pub(super) span: Option<CallSpan>,
    began: Instant,
    deadline: OnceLock<Instant>,
    code: OnceLock<Code>,
    progress: Mutex<Progress>,
}

/// What a call is measured with.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) channel: Arc<Channel>,
    pub(super) labels: Arc<Labels>,
}

/// What the attempts of a call came to.
#[derive(Debug, Default)]
struct Progress {
    active: u32,
    /// Since when no attempt is active, if there was one.
    idle: Option<Instant>,
    delay: Duration,
    retries: u64,
    transparent_retries: u64,
    hedges: u64,
}

// === impl CallTracer ===

impl CallTracer {
    pub(super) fn new(measured: Option<Measured>, span: Option<CallSpan>) -> Self {
        let followed = measured.is_some() || span.is_some();
        Self(followed.then(|| {
            Arc::new(Call {
                measured,
                span,
                began: Instant::now(),
                deadline: OnceLock::new(),
                code: OnceLock::new(),
                progress: Mutex::default(),
            })
        }))
    }

    /// What tells a call that ran out of time from one that its caller gave up.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        if let (Some(call), Some(deadline)) = (&self.0, deadline) {
            // A call has one deadline, which is set once.
            let _ = call.deadline.set(deadline);
        }
    }

    /// The call is sent, after `previous` attempts that count; `transparent` when the one before was
    /// seen by no server.
    pub(crate) fn attempt(&self, previous: u32, transparent: bool) -> CallAttemptTracer {
        CallAttemptTracer::new(self.0.clone(), previous, transparent)
    }

    /// The next attempt is a retry by policy.
    pub(crate) fn retried(&self) {
        self.count(|progress| progress.retries += 1);
    }

    /// The next attempt is a transparent retry.
    pub(crate) fn transparently_retried(&self) {
        self.count(|progress| progress.transparent_retries += 1);
    }

    /// The next attempt is a hedge.
    pub(crate) fn hedged(&self) {
        self.count(|progress| progress.hedges += 1);
    }

    /// The caller gets this status, and no response.
    pub(crate) fn failed(&self, code: Code) {
        if let Some(call) = &self.0 {
            call.ended(code);
        }
    }

    fn count(&self, count: impl FnOnce(&mut Progress)) {
        if let Some(call) = &self.0 {
            count(&mut call.progress());
        }
    }
}

// === impl Call ===

impl Call {
    pub(super) fn attempt_began(&self, now: Instant) {
        let mut progress = self.progress();
        progress.active += 1;
        if let Some(idle) = progress.idle.take() {
            progress.delay += now.saturating_duration_since(idle);
        }
    }

    pub(super) fn attempt_ended(&self, now: Instant) {
        let mut progress = self.progress();
        progress.active = progress.active.saturating_sub(1);
        if progress.active == 0 {
            progress.idle = Some(now);
        }
    }

    /// The first status counts.
    pub(super) fn ended(&self, code: Code) {
        let _ = self.code.set(code);
    }

    /// The status of what was dropped before it had one.
    pub(super) fn given_up(&self) -> Code {
        match self.deadline.get() {
            Some(deadline) if *deadline <= Instant::now() => Code::DeadlineExceeded,
            _ => Code::Cancelled,
        }
    }

    /// Nothing panics while it is locked.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.get().copied();
        let code = code.unwrap_or_else(|| self.given_up());
        if let Some(span) = &self.span {
            span.ended(code);
        }
        let Some(Measured { channel, labels }) = &self.measured else {
            return;
        };
        let instruments = &channel.instruments;
        let took = self.began.elapsed().as_secs_f64();
        let (labels, of_method) = (labels.with_status(code), &labels.method);
        instruments.call_duration.record(took, labels);

        let progress = self.progress();
        let labels = of_method;
        for (count, histogram) in [
            (progress.retries, &instruments.call_retries),
            (
                progress.transparent_retries,
                &instruments.call_transparent_retries,
            ),
            (progress.hedges, &instruments.call_hedges),
        ] {
            if count > 0 {
                histogram.record(count, labels);
            }
        }
        if !progress.delay.is_zero() {
            let delay = progress.delay.as_secs_f64();
            instruments.call_retry_delay.record(delay, labels);
        }
    }
}
