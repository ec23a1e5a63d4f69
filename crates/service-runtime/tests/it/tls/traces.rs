//! A collector behind TLS: spans go only to one whose certificate the settings' authority vouches for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use service_runtime::telemetry::traces::Protocol;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::certificates::{Authority, Validity};
use super::files::Folder;
use crate::collector::Collector;
use crate::scrape::Scraped;
use crate::traces::{call, start, to};

/// Ends TLS in front of a collector, as an ingress does.
async fn in_front_of(
    collector: SocketAddr,
    authority: &Authority,
    alpn: &[u8],
) -> (u16, AbortOnDropHandle<()>) {
    let identity = authority.issue("localhost", None, Validity::Current);
    let mut config = ServerConfig::builder_with_provider(service_runtime::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der()], identity.key())
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust it leaves.
                let Ok(mut outside) = acceptor.accept(socket).await else {
                    return;
                };
                let mut inside = TcpStream::connect(collector).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (port, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn a_collector_must_prove_who_it_is() {
    let (authority, other) = (Authority::named("ours"), Authority::named("other"));
    for (protocol, alpn) in [
        (Protocol::Grpc, b"h2".as_slice()),
        (Protocol::HttpProtobuf, b"http/1.1"),
    ] {
        for (trusted, arrives) in [(&authority, true), (&other, false)] {
            let collector = match protocol {
                Protocol::Grpc => Collector::start().await,
                Protocol::HttpProtobuf => Collector::start_http().await,
            };
            let (port, _tls) = in_front_of(collector.address, &authority, alpn).await;
            let folder = Folder::new();
            folder.put("ca.crt", &trusted.pem());
            let mut config = to(format!("https://localhost:{port}"));
            config.traces.otlp.protocol = protocol;
            config.traces.otlp.ca = folder.file("ca.crt");
            config.traces.otlp.timeout = Duration::from_millis(if arrives { 20_000 } else { 500 });
            let scraped = Scraped::start();
            let traces = scraped.traced(&config);
            let server = start(&traces);
            call(&server, "", &[]).await;
            if arrives {
                collector.at_least(1).await;
            } else {
                let failed = "telemetry_lost_total{reason=\"export_failed\",signal=\"traces\"}";
                scraped.until(failed, 1.0).await;
                assert!(collector.spans().is_empty(), "{protocol:?}");
            }
            traces.flush().await;
        }
    }
}
