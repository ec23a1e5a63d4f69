//! What a replica is called by: the name of the target that it belongs to.

use super::{answers, uses};
use crate::bounded;
use crate::dns::{Answer, Server};
#[cfg(feature = "tls")]
use crate::echo::{Client, Method};
use crate::loss::BACKOFF;
#[cfg(feature = "tls")]
use crate::replica::Replica;
use crate::replica::{PORT, builder, replicas};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calls_authority_is_that_of_the_target_which_answers() {
    bounded(async {
        let (mut first, second) = (replicas::<1>().await, replicas::<1>().await);
        let (higher, lower) = (Server::start().await, Server::start().await);
        higher.answer(Answer::addresses([first[0].address.ip()]));
        lower.answer(Answer::addresses([second[0].address.ip()]));
        let channel = builder(higher.target("echo.zone-a.test.", PORT))
            .fallback(lower.target("echo.zone-b.test.", PORT))
            .backoff(BACKOFF)
            .connect()
            .unwrap();
        answers(&channel).await;
        first[0].kill().await;
        uses(&channel, 1).await;
        answers(&channel).await;
        for (replica, name) in [
            (&first[0], "echo.zone-a.test"),
            (&second[0], "echo.zone-b.test"),
        ] {
            let seen = &replica.seen()[0];
            assert_eq!(seen.authority, format!("{name}:{PORT}"));
        }
    })
    .await;
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallbacks_certificate_must_be_for_its_own_name() {
    use crate::tls::certificates::Authority;
    bounded(async {
        let down = Server::start().await;
        let authority = Authority::new();
        for (issued_for, trusted) in [("echo.zone-b.test", true), ("echo.zone-a.test", false)] {
            let mut replica = Replica::new();
            replica.speak_tls(Authority::server(authority.issue(issued_for)).into());
            replica.start().await;
            let dns = Server::start().await;
            dns.answer(Answer::addresses([replica.address.ip()]));
            let channel = builder(down.target("echo.zone-a.test.", PORT))
                .fallback(dns.target("echo.zone-b.test.", PORT))
                .tls(authority.tls())
                .connect()
                .unwrap();
            let answer = Client::new(&channel).call(Method::Add).await;
            assert_eq!(answer.is_ok(), trusted, "{answer:?}");
            assert_eq!(replica.server_names().is_empty(), !trusted);
        }
    })
    .await;
}
