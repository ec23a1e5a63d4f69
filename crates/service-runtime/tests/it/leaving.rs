//! Callers that leave in the middle of their request.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use service_runtime::limits;
use service_runtime::server::RequestBody;
use tokio::sync::mpsc;

use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM, frame, request};
use crate::scrape::Scraped;
use crate::subject::{on_a_free_port, soon};

/// RFC 9113, section 7. Envoy resets with the first, everybody else with the second.
const RESETS: [(&str, u32); 2] = [("NO_ERROR", 0), ("CANCEL", 8)];

#[tokio::test]
async fn a_request_that_is_abandoned_is_a_cancelled_call_and_no_fault_of_the_servers() {
    let scraped = Scraped::start();
    let (server, _gate) = crate::metrics::start(&scraped, &limits::Config::default());
    let mut peer = Peer::connect(server.local_address()).await;
    let headers = request("/test.Subject/Check");
    for ((_, code), (stream, count)) in RESETS.into_iter().zip([(1, 1.0), (3, 2.0)]) {
        // Three of the five bytes before a message.
        peer.send(&frame(HEADERS, END_HEADERS, stream, &headers))
            .await;
        peer.send(&frame(DATA, 0, stream, &[0; 3])).await;
        scraped
            .until(&crate::metrics::begun("test.Subject/Check"), count)
            .await;
        peer.send(&frame(RST_STREAM, 0, stream, &code.to_be_bytes()))
            .await;
        scraped
            .until(&crate::metrics::finished("Check", "CANCELLED"), count)
            .await;
    }
    let series = scraped.series().await;
    let internal = series.get(&crate::metrics::finished("Check", "INTERNAL"));
    assert!(internal.is_none_or(|count| *count < 1.0), "{series:#?}");
}

#[tokio::test]
async fn a_handler_never_takes_a_request_for_complete_whose_caller_left() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let ends = ends.clone();
        async move {
            ends.send(None).unwrap();
            let end = request.into_body().collect().await;
            ends.send(Some(end.map(http_body_util::Collected::to_bytes)))
                .unwrap();
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let server = on_a_free_port().bind().unwrap().serve(service);
    let mut peer = Peer::connect(server.local_address()).await;
    let headers = request("/test.Subject/Upload");
    let mut next = async || soon("the handler's word", ended.recv()).await.unwrap();

    for ((name, code), stream) in RESETS.into_iter().zip([1, 3]) {
        peer.send(&frame(HEADERS, END_HEADERS, stream, &headers))
            .await;
        peer.send(&frame(DATA, 0, stream, b"half")).await;
        assert!(next().await.is_none(), "the handler must begin");
        peer.send(&frame(RST_STREAM, 0, stream, &code.to_be_bytes()))
            .await;
        let end = next().await.expect("an end");
        assert!(end.is_err(), "{name} must not look like the end: {end:?}");
    }

    peer.send(&frame(HEADERS, END_HEADERS, 5, &headers)).await;
    peer.send(&frame(DATA, END_STREAM, 5, b"whole")).await;
    assert!(next().await.is_none(), "the handler must begin");
    let whole = next().await.expect("an end").unwrap();
    assert_eq!(whole, Bytes::from_static(b"whole"));
}
