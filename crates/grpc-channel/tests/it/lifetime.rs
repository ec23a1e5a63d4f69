//! When a channel ends, and that nothing is left of it.

use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tonic::Request;

use crate::dns::{Answer, Server};
use crate::echo::{Client, Message, Method};
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_clone_closes_every_connection_and_ends_every_task() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let dns = Server::start().await;
        let ips = replicas.iter().map(|replica| replica.address.ip());
        let down = Replica::new().address.ip();
        dns.answer(Answer::addresses(ips.chain([down])));
        let before = tasks();
        let channel = builder(dns.target("echo.test.", PORT)).connect().unwrap();
        ready(&channel, 3).await;
        let clone = channel.clone();
        drop(channel);
        Client::new(&clone).call(Method::Add).await.unwrap();
        for replica in &replicas {
            assert_eq!(replica.open_connections(), 1, "a clone is enough");
        }
        drop(clone);
        for replica in &replicas {
            replica.closed().await;
        }
        wait_until("every task has ended", || tasks() <= before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_stream_keeps_its_channel_until_it_ends() {
    bounded(async {
        let replicas = replicas::<2>().await;
        for replica in &replicas {
            replica.hold();
        }
        let before = tasks();
        let channel = to(&replicas).connect().unwrap();
        ready(&channel, 2).await;
        let request = Request::new(Message {
            number: 3,
            ..Message::default()
        });
        let response = Client::new(&channel).watch(request).await.unwrap();
        drop(channel);
        let mut messages = response.into_inner();
        messages.next().await.unwrap().unwrap();
        for replica in &replicas {
            assert_eq!(replica.open_connections(), 1);
            replica.release();
        }
        let rest: Vec<_> = messages.by_ref().collect().await;
        assert_eq!(rest.len(), 2);
        // The stream has ended, though it is still held.
        for replica in &replicas {
            replica.closed().await;
        }
        wait_until("every task has ended", || tasks() <= before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_channel_that_still_connects_gives_up() {
    bounded(async {
        let silent = Listener::bind().await;
        let before = tasks();
        let channel = builder(silent.target()).connect().unwrap();
        let mut socket = silent.socket().await;
        drop(channel);
        let mut received = Vec::new();
        let end = socket.read_to_end(&mut received).await;
        assert!(end.is_ok(), "the connection is closed");
        wait_until("every task has ended", || tasks() <= before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_any_more_does_not_hold_a_channel_that_was_dropped() {
    bounded(async {
        let listener = Listener::bind().await;
        let before = tasks();
        let channel = builder(listener.target()).connect().unwrap();
        let _deaf = listener.peer().await;
        let mut calls = JoinSet::new();
        for _ in 0..1_000 {
            let client = Client::new(&channel);
            let mut request = Request::new(Message::default());
            // No window bounds what headers take, so the sockets' buffers fill up.
            let large = "x".repeat(16 << 10);
            request
                .metadata_mut()
                .insert("large", large.parse().unwrap());
            calls.spawn(async move { client.unary(Method::Add, request).await });
        }
        wait_until("the calls are on their way", || {
            channel.stats().subchannels[0].calls_in_flight == 1_000
        })
        .await;
        drop(channel);
        calls.shutdown().await;
        wait_until("every task has ended", || tasks() <= before).await;
    })
    .await;
}
