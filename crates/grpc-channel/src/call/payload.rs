//! A request's body, kept so that it can be sent a second time.
//!
//! A retry sends the same messages again. Those of a unary call are at hand at once; those of a
//! stream are kept as they come. Both count towards limits, for the call and for the channel, and
//! beyond them the call is committed: it is not sent again (gRFC A6, "when retries are valid").

mod messages;
mod replay;

use std::task::{Context, Poll};

use bytes::Bytes;
use tonic::Status;
use tonic::body::Body;

use self::messages::Messages;
use self::replay::Source;
pub(crate) use self::replay::{Cursor, Replay};
use super::buffer::Kept;
use super::message_limit::MessageLimit;

/// What a call sends.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it.
    Complete {
        frames: Vec<Bytes>,
        /// Counts them for as long as the call may be sent again.
        _kept: Kept,
        replayable: bool,
    },
    /// A stream of which more is to come.
    Streaming(Replay),
}

/// What one attempt sends.
#[derive(Debug)]
pub(crate) enum Outgoing<'a> {
    Complete(&'a [Bytes]),
    Streaming(Cursor),
}

/// Tells the attempts of one call apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptId(u64);

// === impl Payload ===

impl Payload {
    /// Takes what a body has at once, up to the limit of what one call may keep.
    ///
    /// # Errors
    ///
    /// The body's own error, or that a message is too large.
    pub(crate) fn gather(
        body: Body,
        limit: Option<MessageLimit>,
        mut kept: Kept,
        cx: &mut Context<'_>,
    ) -> Result<Self, Status> {
        let mut messages = Messages::new(body, limit);
        let mut frames = Vec::with_capacity(1);
        let mut replayable = true;
        loop {
            match messages.poll_data(cx) {
                Poll::Ready(None) => {
                    return Ok(Self::Complete {
                        frames,
                        _kept: kept,
                        replayable,
                    });
                }
                Poll::Ready(Some(Err(status))) => return Err(status),
                Poll::Ready(Some(Ok(data))) => {
                    let enough = !replayable;
                    replayable = replayable && kept.keep(data.len());
                    frames.push(data);
                    // The frame after the one that was too much only tells that more is to come.
                    if enough {
                        break;
                    }
                }
                Poll::Pending => break,
            }
        }
        let source = Source::new(messages, frames, kept, replayable);
        Ok(Self::Streaming(Replay::new(source)))
    }

    /// Begins an attempt at the first message.
    pub(crate) fn begin(&self) -> (AttemptId, Outgoing<'_>) {
        match self {
            Self::Complete { frames, .. } => (AttemptId(0), Outgoing::Complete(frames)),
            Self::Streaming(replay) => {
                let cursor = replay.cursor();
                (cursor.id(), Outgoing::Streaming(cursor))
            }
        }
    }

    /// Whether all of it can be sent again.
    pub(crate) fn is_replayable(&self) -> bool {
        match self {
            Self::Complete { replayable, .. } => *replayable,
            Self::Streaming(replay) => replay.is_replayable(),
        }
    }

    /// Ends an attempt, whose cursor takes nothing from here on.
    pub(crate) fn give_up(&self, attempt: AttemptId) {
        if let Self::Streaming(replay) = self {
            replay.give_up(attempt);
        }
    }

    /// Whether the call goes on with another attempt than this one, and with no further one.
    pub(crate) fn is_lost(&self, attempt: AttemptId) -> bool {
        match self {
            Self::Complete { .. } => false,
            Self::Streaming(replay) => replay.is_lost(attempt),
        }
    }

    /// Keeps no more: the call goes on with this attempt alone.
    pub(crate) fn commit(&self, attempt: AttemptId) {
        if let Self::Streaming(replay) = self {
            replay.commit(attempt);
        }
    }

    /// The stream, if it is one.
    pub(crate) fn replay(&self) -> Option<Replay> {
        match self {
            Self::Complete { .. } => None,
            Self::Streaming(replay) => Some(replay.clone()),
        }
    }

    /// The body's own error, if it had one.
    pub(crate) fn take_error(&self) -> Option<Status> {
        match self {
            Self::Complete { .. } => None,
            Self::Streaming(replay) => replay.take_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::replay::tests::{gather, gather_within};
    use super::*;

    #[test]
    fn a_unary_request_is_complete_at_once() {
        let payload = gather(&[Some("one")], 1_024);
        let Outgoing::Complete(frames) = payload.begin().1 else {
            panic!("nothing was pending");
        };
        assert_eq!(frames, ["one"]);
        assert!(payload.is_replayable());
    }

    #[test]
    fn a_unary_request_beyond_the_limit_is_complete_and_sent_once() {
        let payload = gather(&[Some("too long")], 4);
        assert!(matches!(payload.begin().1, Outgoing::Complete(_)));
        assert!(!payload.is_replayable());
    }

    #[test]
    fn a_message_beyond_the_configs_limit_is_an_error() {
        let frame = "\0\0\0\0\u{9}123456789";
        assert!(gather_within(&[Some(frame)], 1_024, Some(9)).is_ok());
        let status = gather_within(&[Some(frame)], 1_024, Some(8)).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
}
