//! Replicas that answer nothing: after they were ready, and from the beginning.

use std::time::Duration;

use grpc_channel::{Disconnect, Keepalive, State};
use tonic::Code;

use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::raw::Listener;
use crate::replica::{PORT, ready, replicas, to};
use crate::{bounded, wait_until};

/// Quick, and yet patient with a replica that a busy machine keeps waiting.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_millis(200),
    timeout: Duration::from_secs(1),
    without_calls: true,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_goes_quiet_leaves_the_rotation_and_fails_no_idempotent_call() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = to(&replicas).keepalive(KEEPALIVE).connect().unwrap();
        let load = Load::start(&channel, Method::Read, 6);
        load.answers(100).await;
        replicas[0].freeze();
        let quiet = Disconnect::KeepaliveTimeout(KEEPALIVE.timeout);
        wait_until("keepalive finds the replica", || {
            let stats = channel.stats();
            stats.subchannels[0].last_disconnect == Some(quiet.clone())
        })
        .await;
        load.answers(300).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_on_a_replica_that_goes_quiet_fails_unavailable_and_says_why() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let keepalive = Keepalive {
            without_calls: false,
            ..KEEPALIVE
        };
        let channel = to([&replica]).keepalive(keepalive).connect().unwrap();
        ready(&channel, 1).await;
        replica.freeze();
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let expected = format!("{}: no answer to a keepalive ping", replica.address);
        assert!(status.message().contains(&expected), "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_never_answers_holds_nobody_up() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let silent = Listener::bind().await;
        let timeout = Duration::from_millis(500);
        let target = format!(
            "ipv4:{},{},{}",
            replicas[0].address, silent.address, replicas[1].address
        );
        let channel = crate::replica::builder(target)
            .connect_timeout(timeout)
            .connect()
            .unwrap();
        let tally = burst(&channel, Method::Add, 4, 100).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let subchannel = || {
            let stats = channel.stats();
            let mut subchannels = stats.subchannels.into_iter();
            subchannels.find(|s| s.address == silent.address.into())
        };
        wait_until("the connect timeout bounds the attempt", || {
            let subchannel = subchannel().unwrap();
            subchannel.state == State::TransientFailure
                && subchannel.last_disconnect == Some(Disconnect::ConnectTimeout(timeout))
        })
        .await;
        assert_eq!(silent.address.port(), PORT);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_something_else_is_never_ready() {
    bounded(async {
        for greeting in [
            "SSH-2.0-OpenSSH_9.9\r\n",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
        ] {
            let other = Listener::bind().await;
            let channel = crate::replica::builder(other.target()).connect().unwrap();
            let call = tokio::spawn({
                let client = Client::new(&channel);
                async move { client.call(Method::Read).await }
            });
            let mut socket = other.socket().await;
            let written = tokio::io::AsyncWriteExt::write_all(&mut socket, greeting.as_bytes());
            written.await.unwrap();
            let status = call.await.unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let expected = format!("{} HTTP/2 protocol error", other.address);
            assert!(status.message().contains(&expected), "{status:?}");
        }
    })
    .await;
}
