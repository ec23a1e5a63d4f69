//! A site of the tests that publishes keys over HTTPS, or does what a broken one does.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::{NEVER, SOON, soon};
use crate::auth::jwt::{Config, Jwt};
use crate::tls::provider;

/// What a site answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Keys(Value),
    /// The bytes of a whole HTTP response.
    Bytes(Vec<u8>),
    /// A response that has begun and does not end.
    Stalled,
}

/// An HTTPS server that publishes keys, until it is dropped.
pub(super) struct Site {
    answer: watch::Sender<Answer>,
    asked: watch::Receiver<u64>,
    pub(super) url: String,
    pub(super) ca: tempfile::NamedTempFile,
    _task: AbortOnDropHandle<()>,
}

// === impl Site ===

impl Site {
    pub(super) async fn start(answer: Answer) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), certificate.pem()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, answers) = watch::channel(answer);
        let (asks, asked) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, answers, asks) = (acceptor.clone(), answers.clone(), asks.clone());
                tokio::spawn(async move {
                    // A client may not trust this, or go away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(stream, &answers, &asks).await;
                    }
                });
            }
        });
        Self {
            answer,
            asked,
            url: format!("https://localhost:{port}/keys"),
            ca,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(super) fn set(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    pub(super) fn asked(&self) -> u64 {
        *self.asked.borrow()
    }

    pub(super) async fn asked_again(&self) {
        let mut asked = self.asked.clone();
        asked.mark_unchanged();
        soon("a fetch", asked.changed()).await.unwrap();
    }

    /// A verifier that fetches by itself only once, unless `change` says otherwise.
    pub(super) fn jwt(&self, change: impl FnOnce(&mut Config)) -> Jwt {
        let mut config = Config {
            jwks_url: self.url.clone(),
            issuer: "issuer".to_owned(),
            audience: "this".to_owned(),
            ..Config::default()
        };
        config.fetch.ca = self.ca.path().into();
        config.fetch.interval_min = NEVER;
        config.fetch.interval_max = NEVER;
        config.fetch.unknown_kid_interval = Duration::ZERO;
        config.fetch.timeout = SOON;
        change(&mut config);
        Jwt::start(&config).unwrap()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answers: &watch::Receiver<Answer>,
    asks: &watch::Sender<u64>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let answer = answers.borrow().clone();
    asks.send_modify(|asks| *asks += 1);
    match answer {
        Answer::Keys(keys) => stream.write_all(&response("", &keys.to_string())).await?,
        Answer::Bytes(bytes) => stream.write_all(&bytes).await?,
        Answer::Stalled => {
            let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"keys\":";
            stream.write_all(begun).await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
    }
    stream.shutdown().await
}

pub(super) fn response(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub(super) fn status_line(status: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}
