//! What one attempt of a call is measured and traced with.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Code;

use super::call::{Call, Measured};
use super::spans::AttemptSpan;
use crate::call::{Framing, code_of};
use crate::resolver::Address;

/// Follows one attempt, until it is dropped.
#[derive(Debug)]
pub(crate) struct CallAttemptTracer(Option<Attempt>);

/// Counts the bytes of the messages that an attempt sends.
#[derive(Debug)]
pub(crate) struct Sent(Option<(Arc<AtomicU64>, Framing)>);

#[derive(Debug)]
struct Attempt {
    call: Arc<Call>,
    span: Option<AttemptSpan>,
    began: Instant,
    sent: Arc<AtomicU64>,
    received: u64,
    framing: Framing,
    code: Option<Code>,
    /// Whether the call ends with this attempt.
    committed: bool,
}

// === impl CallAttemptTracer ===

impl CallAttemptTracer {
    pub(super) fn new(call: Option<Arc<Call>>, previous: u32, transparent: bool) -> Self {
        Self(call.map(|call| {
            let began = Instant::now();
            if let Some(Measured { channel, labels }) = &call.measured {
                let started = &channel.instruments.attempt_started;
                started.add(1, &labels.method);
            }
            call.attempt_began(began);
            let span = call.span.as_ref();
            Attempt {
                span: span.map(|span| span.attempt(previous, transparent)),
                call,
                began,
                sent: Arc::default(),
                received: 0,
                framing: Framing::default(),
                code: None,
                committed: false,
            }
        }))
    }

    /// What the request's messages are to be counted with.
    pub(crate) fn sent(&self) -> Sent {
        let attempt = self.0.as_ref();
        let attempt = attempt.filter(|attempt| attempt.call.measured.is_some());
        Sent(attempt.map(|attempt| (attempt.sent.clone(), Framing::default())))
    }

    /// The request goes to this replica, with this metadata, which its trace is added to.
    pub(crate) fn sending(&self, replica: &Address, metadata: &mut HeaderMap) {
        if let Some(span) = self.0.as_ref().and_then(|attempt| attempt.span.as_ref()) {
            span.sending(replica, metadata);
        }
    }

    /// The head of the response is here; if it is all of it, it has the status.
    pub(crate) fn answered(&mut self, headers: &HeaderMap) {
        if let Some(attempt) = &mut self.0 {
            attempt.code = code_of(headers);
        }
    }

    /// These bytes of the response are handed to the caller.
    pub(crate) fn received(&mut self, data: &[u8]) {
        if let Some(attempt) = &mut self.0 {
            attempt.received += payload(&mut attempt.framing, data);
        }
    }

    /// The call ends as this attempt does.
    pub(crate) fn commit(&mut self) {
        if let Some(attempt) = &mut self.0 {
            attempt.committed = true;
        }
    }

    /// It has ended; `None` where the peer did not say how.
    pub(crate) fn ended(&mut self, code: Option<Code>) {
        if let Some(attempt) = &mut self.0 {
            attempt.code = Some(attempt.code.or(code).unwrap_or(Code::Unknown));
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let now = Instant::now();
        let Self { call, .. } = self;
        call.attempt_ended(now);
        let code = self.code.unwrap_or_else(|| call.given_up());
        if let Some(span) = &self.span {
            span.ended(code);
        }
        if self.committed {
            call.ended(code);
        }
        let Some(Measured { channel, labels }) = &call.measured else {
            return;
        };
        let labels = labels.with_status(code);
        let instruments = &channel.instruments;
        let took = now.saturating_duration_since(self.began).as_secs_f64();
        instruments.attempt_duration.record(took, labels);
        let sent = self.sent.load(Ordering::Relaxed);
        instruments.attempt_sent.record(sent, labels);
        instruments.attempt_received.record(self.received, labels);
    }
}

// === impl Sent ===

impl Sent {
    /// For what is no attempt of a call.
    pub(crate) fn uncounted() -> Self {
        Self(None)
    }

    /// These bytes of the request are handed to the connection.
    pub(crate) fn count(&mut self, data: &[u8]) {
        if let Some((total, framing)) = &mut self.0 {
            total.fetch_add(payload(framing, data), Ordering::Relaxed);
        }
    }
}

fn payload(framing: &mut Framing, data: &[u8]) -> u64 {
    let Ok(bytes) = framing.read(data, |_length| Ok::<_, Infallible>(()));
    bytes
}
