//! The handler of all rows: it reads its request to the end, and answers at once with one message.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body, Frame};

/// A message of 38 bytes, as gRPC frames it: the request for a record.
pub const REQUEST: &[u8; 43] = b"\0\0\0\0\x26\x0a\x2401234567-89ab-cdef-0123-456789abcdef";

/// One of 100 bytes.
const ANSWER: &[u8; 105] = &{
    let mut answer = [b'x'; 105];
    let prefix = *b"\0\0\0\0\x64";
    let mut at = 0;
    while at < prefix.len() {
        answer[at] = prefix[at];
        at += 1;
    }
    answer
};

/// How many frames an answer has: the message, and the trailers. That of a call which is refused has none.
pub const FRAMES: usize = 2;

/// The handler.
#[derive(Clone, Debug)]
pub struct Answers;

/// Its future.
pub struct Answering<B> {
    body: B,
}

/// The body of its answer.
#[derive(Debug)]
pub struct Answer {
    frames: usize,
}

// === impl Answers ===

impl<B: Body<Data = Bytes> + Unpin> tower_service::Service<Request<B>> for Answers {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering<B> {
        let body = request.into_body();
        Answering { body }
    }
}

// === impl Answering ===

impl<B: Body<Data = Bytes> + Unpin> Future for Answering<B> {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            assert!(frame.is_ok(), "the caller has left");
        }
        let mut response = Response::new(Answer { frames: 0 });
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(header::CONTENT_TYPE, grpc);
        Poll::Ready(Ok(response))
    }
}

// === impl Answer ===

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames += 1;
        Poll::Ready(match self.frames {
            1 => Some(Ok(Frame::data(Bytes::from_static(ANSWER)))),
            FRAMES => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            _ => None,
        })
    }
}
