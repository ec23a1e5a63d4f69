//! Who is let in, and who the service takes him for.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use rustls::HandshakeKind;
use rustls::version::TLS12;
use service_runtime::server::RequestBody;
use service_runtime::tls::MinimumVersion;
use service_runtime::tls::peer::Peer;
use service_runtime::tls::server::Mode;

use super::certificates::{Authority, CLIENT, SERVER, Validity};
use super::client::{connect, shake, speaking, trusting};
use super::files::Folder;
use crate::subject::start;

#[tokio::test]
async fn tls_asks_clients_for_no_certificate() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    connect(server.local_address(), trusting(&authority, None)).await;
}

#[tokio::test]
async fn mutual_tls_takes_clients_of_its_authority() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let client = authority.client(Validity::Current);
    connect(server.local_address(), trusting(&authority, Some(&client))).await;
}

#[tokio::test]
async fn tls_1_2_is_spoken_when_the_settings_say_so() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let mut config = folder.listener(Mode::Mtls);
    config.tls.minimum_version = MinimumVersion::Tls12;
    let (server, _gate) = start(config);
    let client = authority.client(Validity::Current);
    let old = speaking(&TLS12, &authority, Some(&client));
    connect(server.local_address(), old).await;
    connect(server.local_address(), trusting(&authority, Some(&client))).await;
}

#[tokio::test]
async fn every_connection_proves_both_ends_anew() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let client = authority.client(Validity::Current);
    for version in [MinimumVersion::Tls12, MinimumVersion::Tls13] {
        let mut config = folder.listener(Mode::Mtls);
        config.tls.minimum_version = version;
        let (server, _gate) = start(config);
        let spoken = match version {
            MinimumVersion::Tls12 => speaking(&TLS12, &authority, Some(&client)),
            MinimumVersion::Tls13 => trusting(&authority, Some(&client)),
        };
        // One configuration, and with it one store of sessions to resume.
        let config = Arc::new(spoken);
        for _ in 0..3 {
            connect(server.local_address(), config.clone()).await;
            let (_, stream) = shake(server.local_address(), config.clone(), SERVER).await;
            let stream = stream.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert!(
                matches!(
                    kind,
                    Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
                ),
                "a resumed session would outlive its certificate and its authority: {kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_service_sees_who_the_certificate_says_it_is() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let service = tower::service_fn(|request: Request<RequestBody>| async move {
        let peer = request.extensions().get::<Arc<Peer>>();
        let text = peer.map_or_else(String::new, |peer| {
            let id = peer.spiffe_id.as_ref().map(ToString::to_string);
            format!("{} {}", peer.dns_names.join(","), id.unwrap_or_default())
        });
        let response = Response::builder().header("x-peer", text);
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    let seen_by = async |address, config| {
        let (_, stream) = shake(address, config, SERVER).await;
        let (mut sender, connection) = h2::client::handshake(stream.unwrap()).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("https://server.test/").body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        connection.abort();
        response.headers()["x-peer"].to_str().unwrap().to_owned()
    };

    let mutual = folder.listener(Mode::Mtls).bind().unwrap().serve(service);
    let client = authority.client(Validity::Current);
    let config = trusting(&authority, Some(&client));
    assert_eq!(
        seen_by(mutual.local_address(), config).await,
        format!("client.test {CLIENT}")
    );

    let several = authority.issue(
        "client.test",
        Some("https://not.spiffe/"),
        Validity::Current,
    );
    let config = trusting(&authority, Some(&several));
    assert_eq!(
        seen_by(mutual.local_address(), config).await,
        "client.test ",
        "a URI that is no SPIFFE ID must not become one"
    );

    let one_sided = folder.listener(Mode::Tls).bind().unwrap().serve(service);
    let config = trusting(&authority, Some(&client));
    assert_eq!(
        seen_by(one_sided.local_address(), config).await,
        "",
        "nobody was asked, so nobody is known"
    );
}
