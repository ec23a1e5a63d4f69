//! A call's request on a stream of its own.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::SendStream;
use tokio_util::task::AbortOnDropHandle;

use super::connection::Reservation;
use super::response::ResponseBody;
use super::stream_error::Failure;
use crate::call::{Cursor, Outgoing};
use crate::metrics::Sent;

// === impl Reservation ===

impl Reservation {
    /// Sends a request and waits for the head of its response.
    ///
    /// A request that is at hand as a whole is written from here; one that is still being made gets
    /// a task, because a caller that waits for a response does not drive its own request.
    pub(crate) async fn send(
        self,
        head: http::Request<()>,
        request: Outgoing<'_>,
        sent: Sent,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        let Self {
            connection,
            in_flight,
        } = self;
        let not_sent = |error| {
            connection.doubt();
            Failure::not_sent(&error, connection.address())
        };
        let mut sender = connection.sender();
        poll_fn(|cx| sender.poll_ready(cx))
            .await
            .map_err(not_sent)?;
        let nothing = matches!(request, Outgoing::Complete([]));
        let (mut response, stream) = match sender.send_request(head, nothing) {
            Ok(streams) => streams,
            // A connection that would take another request refused this one for what it is, and so
            // would every other connection.
            Err(error) => match poll_fn(|cx| sender.poll_ready(cx)).await {
                Ok(()) => return Err(Failure::malformed(&error)),
                Err(closed) => return Err(not_sent(closed)),
            },
        };
        // Beyond what the peer allows a stream waits in line. Nothing is written before its turn: what
        // is still in line when the connection is lost was not sent.
        let turn = poll_fn(|cx| match sender.poll_ready(cx) {
            Poll::Ready(Err(error)) if !nothing => Poll::Ready(Err(error)),
            Poll::Ready(_) => Poll::Ready(Ok(None)),
            // A GOAWAY ends the line as well.
            Poll::Pending => Pin::new(&mut response).poll(cx).map(Some).map(Ok),
        });
        let ended = turn.await.map_err(not_sent)?;
        drop(sender);

        let (pump, ended) = match (ended, request) {
            (Some(ended), _) => (None, ended),
            (None, Outgoing::Complete(frames)) => {
                write(stream, frames, sent);
                (None, response.await)
            }
            (None, Outgoing::Streaming(cursor)) => {
                let pump = AbortOnDropHandle::new(tokio::spawn(pump(cursor, stream, sent)));
                let ended = response.await;
                (Some(pump), ended)
            }
        };
        match ended {
            Ok(response) => match Failure::of_http(&response, connection.address()) {
                Some(failure) => Err(failure),
                None => Ok(response.map(|body| {
                    ResponseBody::new(body, connection.address().clone(), in_flight, pump)
                })),
            },
            Err(error) => Err(Failure::of_stream(
                &error,
                connection.address(),
                in_flight.given_up(),
            )),
        }
    }
}

/// Writes frames that are all there. Errors are left to the response, which has the same one.
fn write(mut stream: SendStream<Bytes>, frames: &[Bytes], mut sent: Sent) {
    let Some((last, others)) = frames.split_last() else {
        return;
    };
    for frame in frames {
        sent.count(frame);
    }
    for frame in others {
        let _ = stream.send_data(frame.clone(), false);
    }
    let _ = stream.send_data(last.clone(), true);
}

/// Writes frames as they are made, no faster than the peer takes them.
async fn pump(mut frames: Cursor, mut stream: SendStream<Bytes>, mut sent: Sent) {
    loop {
        stream.reserve_capacity(1);
        while stream.capacity() == 0 {
            match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
        let next = poll_fn(|cx| {
            // The peer may end the call before it has read the whole request.
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            frames.poll_frame(cx).map(Some)
        });
        match next.await {
            None => return,
            Some(Some(Ok(frame))) => {
                sent.count(&frame);
                if stream.send_data(frame, false).is_err() {
                    return;
                }
            }
            // The cursor's owner reads the error there; the peer only needs to know that no more
            // is to come.
            Some(Some(Err(()))) => {
                stream.send_reset(h2::Reason::CANCEL);
                return;
            }
            Some(None) => {
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        }
    }
}
