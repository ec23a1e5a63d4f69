//! Servers that share a load, and what happens to it when one ages, drains or dies.

use grpc_channel::State;
use grpc_channel::resolver::Address;

use crate::client::Duplex;
use crate::load::{Load, Method, burst};
use crate::messages::{StreamingOutputCallRequest, StreamingOutputCallResponse};
use crate::peer::{ready, to};
use crate::{Client, interop, wait_until};

/// More workers than servers, so that each has several calls in flight.
const WORKERS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_get_the_same_number_of_calls() {
    interop(async |go| {
        let servers = [
            go.serve(&[]).await,
            go.serve(&[]).await,
            go.serve(&[]).await,
        ];
        let channel = to(&servers).connect().unwrap();
        ready(&channel, servers.len()).await;
        let tally = burst(&channel, 10, 100).await;
        tally.assert_no_failure();
        let mut counts: Vec<u64> = servers
            .iter()
            .map(|server| tally.answered[&server.address.to_string()])
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [333, 333, 334], "counts must differ by at most 1");
    })
    .await;
}

/// There is no other server to go to: every call that meets a GOAWAY waits for the next connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_age_fail_no_call_and_cut_no_stream() {
    interop(async |go| {
        let aging = ["-max-connection-age=300ms", "-max-connection-age-grace=1m"];
        let server = go.serve(&aging).await;
        let channel = server.builder().retry(None).connect().unwrap();
        let hello = || StreamingOutputCallRequest::asking_for(&[1]);
        let expected = Some(StreamingOutputCallResponse::sized(1));
        let mut stream = Duplex::start(&Client::new(&channel), hello())
            .await
            .expect("the stream must begin");
        assert_eq!(stream.responses.message().await.unwrap(), expected);

        let load = Load::start(&channel, Method::Other, WORKERS);
        wait_until("six connections have been made", || {
            channel.stats().subchannels[0].connections >= 6
        })
        .await;
        load.stop().await.assert_no_failure();

        stream.send(hello());
        let response = stream.responses.message().await;
        let response = response.expect("a stream must outlive its connection's age");
        assert_eq!(response, expected);
        drop(stream.requests);
        let end = stream.responses.message().await;
        assert_eq!(end.expect("the stream must end with OK"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_fails_no_call_and_gets_its_share_when_it_is_back() {
    interop(async |go| {
        let [one, two, three] = [
            go.serve(&[]).await,
            go.serve(&[]).await,
            go.serve(&[]).await,
        ];
        let channel = to([&one, &two, &three]).retry(None).connect().unwrap();
        ready(&channel, 3).await;
        let load = Load::start(&channel, Method::Other, WORKERS);
        load.more(500).await;

        let address = one.address.to_string();
        let status = one.drain().await;
        assert!(status.success(), "the drain must end by itself: {status}");
        load.more(500).await;

        let _back = go.serve(&["-listen", &address]).await;
        ready(&channel, 3).await;
        load.stop().await.assert_no_failure();

        let tally = burst(&channel, 3, 100).await;
        tally.assert_no_failure();
        assert_eq!(tally.answered[&address], 100, "each must have its third");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_fails_no_idempotent_call() {
    interop(async |go| {
        let [one, two, three] = [
            go.serve(&[]).await,
            go.serve(&[]).await,
            go.serve(&[]).await,
        ];
        let channel = to([&one, &two, &three]).connect().unwrap();
        ready(&channel, 3).await;
        let load = Load::start(&channel, Method::Idempotent, WORKERS);
        load.more(500).await;

        let address = Address::from(one.address);
        one.kill().await;
        wait_until("the channel has noticed", || {
            let subchannels = channel.stats().subchannels;
            let killed = subchannels.iter().find(|s| s.address == address);
            killed.is_some_and(|killed| killed.state == State::TransientFailure)
        })
        .await;
        load.more(500).await;
        load.stop().await.assert_no_failure();
    })
    .await;
}
