//! Does each address speak TLS, under the right name, with a chain that is trusted?

use std::sync::Arc;
use std::time::Duration;

use grpc_channel::TlsFailure;
use grpc_channel::resolver::Address;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use service_runtime::tls::certificate;
use tokio_rustls::TlsConnector;

use super::connection::Stream;
use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::Probed;
use super::survey::{Trouble, survey};

/// How TLS is spoken.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) config: Arc<ClientConfig>,
    /// The name that the certificate must have.
    pub(super) name: ServerName<'static>,
}

/// A handshake that succeeded.
#[derive(Clone, Debug)]
pub struct Secured {
    /// As people write it, such as `TLS 1.3`.
    pub version: &'static str,
    /// What the peer's certificate says; `None` when it cannot be read.
    pub certificate: Option<certificate::Facts>,
}

/// Shakes hands within `patience`.
pub(super) async fn shake_hands(
    stream: Box<dyn Stream>,
    identity: &Identity,
    patience: Duration,
) -> Result<(Box<dyn Stream>, Secured), TlsFailure> {
    let connector = TlsConnector::from(identity.config.clone());
    let handshake = connector.connect(identity.name.clone(), stream);
    let stream = match tokio::time::timeout(patience, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(TlsFailure::during_handshake(&error)
                .unwrap_or_else(|| TlsFailure::Protocol(error.to_string())));
        }
        Err(_elapsed) => return Err(TlsFailure::HandshakeTimeout(patience)),
    };
    let (_, connection) = stream.get_ref();
    if connection.alpn_protocol() != Some(b"h2") {
        return Err(TlsFailure::NoHttp2);
    }
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let secured = Secured {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS 1.3",
        },
        certificate: leaf.and_then(|leaf| certificate::Facts::of(leaf).ok()),
    };
    Ok((Box::new(stream), secured))
}

/// What it means how the handshakes ended, where the certificate must be for `name`.
#[must_use]
pub fn verdict(probed: &[Probed], name: &str, place: Option<&Place>) -> Finding {
    let answers = probed.iter().filter_map(|it| {
        let tls = it.tls.as_ref()?;
        let answer = tls.as_ref().map(drop).map_err(|failure| Trouble {
            says: failure.to_string(),
            next: next(failure, &it.address, place),
        });
        Some((&it.address, answer))
    });
    let mut versions: Vec<&str> = probed
        .iter()
        .filter_map(|it| Some(it.tls.as_ref()?.as_ref().ok()?.version))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let versions = if versions.is_empty() {
        "TLS".to_owned()
    } else {
        versions.join(" and ")
    };
    survey(Question::Tls, answers, |good| {
        format!("{good} speak {versions} and prove to be {name}")
    })
}

fn next(failure: &TlsFailure, address: &Address, place: Option<&Place>) -> Vec<String> {
    let steps: &[&str] = match failure {
        TlsFailure::UnknownIssuer => &[
            "is tls.ca the authority that signed the server's certificate? \
             openssl x509 -noout -issuer -in SERVER.crt; openssl x509 -noout -subject -in CA.crt",
            "--tls-ca FILE names another one; on Kubernetes it is ca.crt of the Secret that is mounted",
        ],
        TlsFailure::BadSignature => &[
            "the authority was made anew under its old name: give this client the new ca.crt, and \
             the server a certificate of the new authority",
        ],
        TlsFailure::Expired => &[
            "renew it: kubectl get certificates (cert-manager), or cargo xtask certs --force",
            "if it was renewed, does the server read the new file? its metric \
             tls_certificate_expiry_seconds tells",
        ],
        TlsFailure::NotYetValid => &["compare the clocks: date -u, here and where it was signed"],
        TlsFailure::WrongName { .. } => &[
            "add the name to the certificate (dnsNames), or name the one it has: --tls-server-name NAME",
        ],
        TlsFailure::NoHttp2 => &["the server must offer h2 by ALPN: is it a gRPC server?"],
        TlsFailure::NotTls => {
            &["the server speaks plaintext: give it an identity (server.tls), or leave out --tls"]
        }
        TlsFailure::HandshakeTimeout(_) | TlsFailure::HandshakeClosed => &[
            "something accepts and does not answer in TLS: is it the right port, does the process hang?",
        ],
        TlsFailure::Alert(alert) => of_alert(alert),
        _ => &["openssl s_client -connect ADDRESS -alpn h2 -servername NAME shows more"],
    };
    let silent = matches!(
        failure,
        TlsFailure::HandshakeTimeout(_) | TlsFailure::HandshakeClosed
    );
    let pod = place.filter(|_| silent).map(|it| it.get_pod(address));
    steps
        .iter()
        .map(|&step| step.to_owned())
        .chain(pod)
        .collect()
}

/// What to do about a peer that refuses, by the names of RFC 8446, section 6.
fn of_alert(alert: &str) -> &'static [&'static str] {
    match alert {
        "certificate_required" | "handshake_failure" => &[
            "the server asks for a client certificate: --tls-certificate FILE --tls-private-key FILE",
        ],
        "unknown_ca" | "bad_certificate" | "unsupported_certificate" | "decrypt_error" => &[
            "the server does not trust this client's certificate: is it of the authority that the \
             server's client CA names?",
        ],
        "certificate_expired" | "certificate_revoked" | "certificate_unknown" => {
            &["renew this client's certificate: openssl x509 -noout -enddate -in CLIENT.crt"]
        }
        "access_denied" => &["the server's policy does not let this client in"],
        "protocol_version" => {
            &["the server speaks an older TLS: --set tls.minimum_version=1.2, or better, update it"]
        }
        _ => &["the server's log says what it refused"],
    }
}
