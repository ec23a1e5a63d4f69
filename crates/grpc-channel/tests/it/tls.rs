//! TLS: who is trusted, what a refusal says, and certificates that change while calls run.

pub(crate) mod certificates;

use std::sync::Arc;
use std::time::Duration;

use grpc_channel::credentials::BasicCredentials;
use grpc_channel::{Builder, Channel, Disconnect, Tls, TlsFailure};
use rustls::ServerConfig;
use tonic::Code;

use self::certificates::{Authority, Validity, with_alpn};
use crate::dns::{Answer, Server};
use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, ready, to};
use crate::{bounded, wait_until};

/// The host of the target, which certificates are to be for.
const HOST: &str = "echo.test";

/// Replicas that speak TLS behind a name, and a builder to that name.
struct Secured<const N: usize> {
    replicas: [Replica; N],
    dns: Server,
}

// === impl Secured ===

impl<const N: usize> Secured<N> {
    async fn start(config: ServerConfig) -> Self {
        let config = Arc::new(config);
        let mut replicas: [Replica; N] = std::array::from_fn(|_| Replica::new());
        for replica in &mut replicas {
            replica.speak_tls(config.clone());
            replica.start().await;
        }
        let dns = Server::start().await;
        dns.answer(Answer::addresses(
            replicas.iter().map(|replica| replica.address.ip()),
        ));
        Self { replicas, dns }
    }

    fn builder(&self, tls: Tls) -> Builder {
        builder(self.dns.target(&format!("{HOST}."), PORT))
            .tls(tls)
            .backoff(BACKOFF)
    }

    fn channel(&self, tls: Tls) -> Channel {
        self.builder(tls).connect().unwrap()
    }
}

/// What a channel says whose only replica is not trusted, or does not trust it.
async fn refusal(channel: &Channel) -> (TlsFailure, String) {
    let status = Client::new(channel).call(Method::Add).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    match channel.stats().subchannels[0].last_disconnect.clone() {
        Some(Disconnect::Tls { reason }) => (reason, status.message().to_owned()),
        other => panic!("the cause is one of TLS, and not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_tls_are_spread_evenly_and_their_scheme_is_https() {
    bounded(async {
        let authority = Authority::new();
        let secured = Secured::<3>::start(Authority::server(authority.issue(HOST))).await;
        let channel = secured.channel(authority.tls());
        let tally = burst(&channel, Method::Read, 10, 3_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [1_000; 3]);
        for replica in &secured.replicas {
            let seen = &replica.seen()[0];
            assert_eq!(seen.scheme, "https");
            assert_eq!(seen.authority, format!("{HOST}:{PORT}"));
            let sni = replica.server_names();
            assert_eq!(sni, [HOST], "SNI is the name without its final dot");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_proves_nothing_is_refused_with_its_defect() {
    bounded(async {
        let authority = Authority::new();
        let stranger = Authority::named("stranger");
        let reborn = Authority::new();
        for (identity, failure, words) in [
            (
                stranger.issue(HOST),
                TlsFailure::UnknownIssuer,
                "TLS: the certificate's issuer is not trusted",
            ),
            (
                reborn.issue(HOST),
                TlsFailure::BadSignature,
                "TLS: the certificate is not signed with the key of the authority that it names",
            ),
            (
                authority.issue_for(HOST, Validity::Over),
                TlsFailure::Expired,
                "TLS: the certificate has expired",
            ),
            (
                authority.issue_for(HOST, Validity::Future),
                TlsFailure::NotYetValid,
                "TLS: the certificate is not valid yet",
            ),
        ] {
            let secured = Secured::<1>::start(Authority::server(identity)).await;
            let (cause, said) = refusal(&secured.channel(authority.tls())).await;
            assert_eq!(cause, failure);
            let expected = format!("{} {words} (", secured.replicas[0].address);
            assert!(said.contains(&expected), "{said}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_the_address_does_not_stand_for_the_name() {
    bounded(async {
        let authority = Authority::new();
        let mut replica = Replica::new();
        let identity = authority.issue(&replica.address.ip().to_string());
        replica.speak_tls(Arc::new(Authority::server(identity)));
        replica.start().await;
        let dns = Server::start().await;
        dns.answer(Answer::addresses([replica.address.ip()]));
        let channel = builder(dns.target(HOST, PORT))
            .tls(authority.tls())
            .connect()
            .unwrap();
        let (cause, said) = refusal(&channel).await;
        let TlsFailure::WrongName {
            expected,
            presented,
        } = cause
        else {
            panic!("the name is wrong, and not {cause:?}");
        };
        assert_eq!(expected, HOST);
        assert_eq!(presented.len(), 1, "{presented:?}");
        assert!(said.contains("the certificate is not for echo.test but for "));

        // The same certificate is good for a target that is the address.
        let channel = to([&replica]).tls(authority.tls()).connect().unwrap();
        Client::new(&channel).call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_name_can_be_asked_for() {
    bounded(async {
        let authority = Authority::new();
        let identity = authority.issue("other.test");
        let secured = Secured::<1>::start(Authority::server(identity)).await;
        let channel = secured.channel(authority.tls().server_name("other.test"));
        Client::new(&channel).call(Method::Add).await.unwrap();
        assert_eq!(secured.replicas[0].server_names(), ["other.test"]);
        let authority = &secured.replicas[0].seen()[0].authority;
        assert_eq!(authority, &format!("{HOST}:{PORT}"));
    })
    .await;
}

#[tokio::test]
async fn a_server_name_that_is_none_is_an_error_of_connect() {
    let tls = Authority::new().tls().server_name("no name");
    let error = Channel::builder("ipv4:127.0.0.1:1").tls(tls).connect();
    let said = error.unwrap_err().to_string();
    assert!(said.contains("a DNS name or an IP address"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_lets_in_who_has_an_identity_and_tells_the_others_what_is_missing() {
    bounded(async {
        let authority = Authority::new();
        let server = authority.mutual_server(authority.issue(HOST));
        let secured = Secured::<1>::start(server).await;
        let tls = Tls::new(authority.client(Some(authority.issue("client.test"))));
        let client = Client::new(&secured.channel(tls));
        client.call(Method::Add).await.unwrap();

        let (cause, said) = refusal(&secured.channel(authority.tls())).await;
        let expected = TlsFailure::Alert("certificate_required".to_owned());
        assert_eq!(cause, expected);
        let words = "TLS: the peer sent the alert certificate_required";
        assert!(said.contains(words), "{said}");

        let stranger = Authority::new().issue("client.test");
        let tls = Tls::new(authority.client(Some(stranger)));
        let (cause, _) = refusal(&secured.channel(tls)).await;
        assert!(matches!(cause, TlsFailure::Alert(_)), "{cause:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_agree_to_http_2_is_refused() {
    bounded(async {
        let authority = Authority::new();
        for protocols in [&[][..], &["http/1.1"]] {
            let server = Authority::server(authority.issue(HOST));
            let secured = Secured::<1>::start(with_alpn(server, protocols)).await;
            let (cause, _) = refusal(&secured.channel(authority.tls())).await;
            assert_eq!(cause, TlsFailure::NoHttp2, "offered: {protocols:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_without_tls_is_told_from_one_that_never_speaks_and_one_that_hangs_up() {
    bounded(async {
        let mut plain = Replica::new();
        plain.start().await;
        let tls = Authority::new().tls();
        let channel = to([&plain]).tls(tls.clone()).connect().unwrap();
        let (cause, said) = refusal(&channel).await;
        assert_eq!(cause, TlsFailure::NotTls);
        assert!(said.contains("TLS: the peer does not speak TLS"), "{said}");

        let silent = Listener::bind().await;
        let timeout = Duration::from_millis(200);
        let channel = builder(silent.target())
            .tls(tls.clone())
            .connect_timeout(timeout)
            .connect()
            .unwrap();
        let _socket = silent.socket().await;
        let (cause, said) = refusal(&channel).await;
        assert_eq!(cause, TlsFailure::HandshakeTimeout(timeout));
        assert!(said.contains("TLS: no handshake within 200ms"), "{said}");

        let rude = Listener::bind().await;
        let channel = builder(rude.target()).tls(tls).connect().unwrap();
        let mut socket = rude.socket().await;
        // Unread bytes would turn the end into a reset.
        let mut hello = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut hello)
            .await
            .unwrap();
        let length = u16::from_be_bytes([hello[3], hello[4]]);
        let mut rest = vec![0; length.into()];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut rest)
            .await
            .unwrap();
        drop(socket);
        let (cause, _) = refusal(&channel).await;
        assert_eq!(cause, TlsFailure::HandshakeClosed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_rotates_under_load_fails_no_call_and_new_connections_use_it() {
    bounded(async {
        let (old, new) = (Authority::new(), Authority::new());
        let first = old.mutual_server(old.issue(HOST));
        let mut secured = Secured::<3>::start(first).await;
        let old_identity = old.issue("client.test");
        let old_certificate = old_identity.certificate.clone();
        let tls = Tls::new(old.client(Some(old_identity)));
        let channel = secured.channel(tls.clone());
        ready(&channel, 3).await;
        let load = Load::start(&channel, Method::Add, 4);
        load.answers(100).await;
        for replica in &secured.replicas {
            assert_eq!(replica.client_certificate(), Some(old_certificate.clone()));
        }

        // Both ends trust nobody but the new authority from now on; what is connected stays so.
        let identity = new.issue("client.test");
        let certificate = identity.certificate.clone();
        let second = Arc::new(new.mutual_server(new.issue(HOST)));
        for replica in &mut secured.replicas {
            replica.speak_tls(second.clone());
        }
        tls.swap(new.client(Some(identity)));
        load.answers(100).await;
        for replica in &secured.replicas {
            assert_eq!(replica.accepted_connections(), 1, "connections live on");
        }

        for replica in &secured.replicas {
            replica.age();
            wait_until("there is a new connection with the new identity", || {
                replica.client_certificate().as_ref() == Some(&certificate)
            })
            .await;
            load.answers(50).await;
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        ready(&channel, 3).await;
        let tally = burst(&channel, Method::Add, 4, 300).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [100; 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_tls_that_is_killed_is_lost_like_any_other() {
    bounded(async {
        let authority = Authority::new();
        let mut secured = Secured::<2>::start(Authority::server(authority.issue(HOST))).await;
        let channel = secured.channel(authority.tls());
        ready(&channel, 2).await;
        let load = Load::start(&channel, Method::Read, 4);
        load.answers(100).await;
        secured.replicas[0].kill().await;
        load.answers(100).await;
        secured.replicas[0].start().await;
        ready(&channel, 2).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_sent_over_tls_without_being_asked_twice() {
    bounded(async {
        let authority = Authority::new();
        let secured = Secured::<1>::start(Authority::server(authority.issue(HOST))).await;
        let credentials = BasicCredentials::new("caller", "open sesame").unwrap();
        let builder = secured.builder(authority.tls()).credentials(credentials);
        let channel = builder.connect().unwrap();
        Client::new(&channel).call(Method::Add).await.unwrap();
        let seen = &secured.replicas[0].seen()[0];
        let sent = seen.header("authorization").unwrap();
        assert_eq!(sent, "Basic Y2FsbGVyOm9wZW4gc2VzYW1l");
    })
    .await;
}
