//! A client whose TLS a test can take apart.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, SupportedProtocolVersion};
use service_runtime::health::pb::health_client::HealthClient;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::certificates::{Authority, Identity, SERVER};
use crate::subject::{asking, soon};

/// A client that trusts an authority, and is somebody if it has an identity.
pub(crate) fn trusting(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
    speaking(&TLS13, authority, identity)
}

/// The same with one version of TLS.
pub(crate) fn speaking(
    version: &'static SupportedProtocolVersion,
    authority: &Authority,
    identity: Option<&Identity>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(service_runtime::tls::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(authority.roots());
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(vec![identity.der()], identity.key())
            .unwrap(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Makes a connection and shakes hands as far as the client can tell.
pub(crate) async fn shake(
    address: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
    name: &'static str,
) -> (SocketAddr, io::Result<TlsStream<TcpStream>>) {
    let socket = TcpStream::connect(address).await.unwrap();
    let us = socket.local_addr().unwrap();
    let connector = TlsConnector::from(config.into());
    let name = ServerName::try_from(name).unwrap();
    let shaken = soon("the handshake's end", connector.connect(name, socket)).await;
    (us, shaken)
}

/// Connects where the server is to refuse, and returns this end's address and the error. With
/// TLS 1.3 a client has finished its handshake before the server has seen its certificate, so the
/// refusal may come with the first read.
pub(crate) async fn refused(
    address: SocketAddr,
    config: ClientConfig,
    name: &'static str,
) -> (SocketAddr, String) {
    let (us, shaken) = shake(address, config, name).await;
    let error = match shaken {
        Err(error) => error,
        Ok(mut stream) => {
            let mut byte = [0];
            soon("the refusal", stream.read_exact(&mut byte))
                .await
                .expect_err("the server must not talk to this client")
        }
    };
    (us, error.to_string())
}

/// One connection as a stub; it does not connect again.
pub(crate) async fn stub(stream: TlsStream<TcpStream>) -> HealthClient<Channel> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.take();
        async move { stream.ok_or_else(|| io::Error::other("one connection is enough")) }
    });
    let endpoint = Endpoint::from_static("http://server.test");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    HealthClient::new(channel)
}

/// Connects and makes a call.
pub(crate) async fn connect(
    address: SocketAddr,
    config: impl Into<Arc<ClientConfig>>,
) -> HealthClient<Channel> {
    let (_, stream) = shake(address, config, SERVER).await;
    let mut client = stub(stream.expect("the handshake must succeed")).await;
    let answer = soon("an answer", client.check(asking(""))).await;
    answer.expect("the call must succeed");
    client
}

/// The certificate that a new connection gets to see.
pub(crate) async fn certificate_of(address: SocketAddr, config: Arc<ClientConfig>) -> Vec<u8> {
    let (_, stream) = shake(address, config, SERVER).await;
    let stream = stream.expect("the handshake must succeed");
    let certificates = stream.get_ref().1.peer_certificates();
    certificates.unwrap()[0].to_vec()
}
