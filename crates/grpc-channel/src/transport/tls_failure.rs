//! Why there is no TLS with a peer, as a type: "expired" and "wrong name" are repaired by different
//! people.

use std::time::Duration;

/// Why TLS with a peer failed; a part of [`Disconnect::Tls`](super::Disconnect::Tls).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The chain of the peer's certificate leads to no authority that is trusted.
    #[error("the certificate's issuer is not trusted")]
    UnknownIssuer,
    /// An authority of the issuer's name is trusted, but its key did not sign the peer's certificate:
    /// one of the two is from before the authority was made anew.
    #[error("the certificate is not signed with the key of the authority that it names")]
    BadSignature,
    /// The peer's certificate is no longer valid.
    #[error("the certificate has expired")]
    Expired,
    /// The peer's certificate is not valid yet; perhaps a clock is wrong.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The peer's certificate is for somebody else.
    #[error("the certificate is not for {expected}{}", but_for(.presented))]
    WrongName {
        /// The name of the target, or the one that was set instead.
        expected: String,
        /// The names that the certificate is for: the first few, as X.509 types and values.
        presented: Vec<String>,
    },
    /// Another defect of the peer's certificate.
    #[error("the certificate is not valid: {0}")]
    BadCertificate(String),
    /// The peer does not agree to HTTP/2 by ALPN, as gRPC requires.
    #[error("the peer does not agree to HTTP/2 by ALPN")]
    NoHttp2,
    /// The peer answers, but not with TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// The peer did not finish the handshake within the connect timeout.
    #[error("no handshake within {0:?}")]
    HandshakeTimeout(Duration),
    /// The peer closed the connection before the handshake was over.
    #[error("the peer closed the connection during the handshake")]
    HandshakeClosed,
    /// The peer refused by an alert, by its name in RFC 8446, section 6: `certificate_required` asks
    /// for a client certificate.
    #[error("the peer sent the alert {0}")]
    Alert(String),
    /// The peer does not follow the protocol, or there is no version or cipher suite in common.
    #[error("{0}")]
    Protocol(String),
}

fn but_for(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" but for {}", names.join(", "))
    }
}

#[cfg(feature = "tls")]
mod from_rustls {
    use std::io;

    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

    use super::TlsFailure;

    /// How many names of a certificate are told.
    const MOST: usize = 3;

    // === impl TlsFailure ===

    impl TlsFailure {
        /// What `error`, which ended a handshake of `tokio-rustls`, says about TLS; nothing if the
        /// socket broke.
        #[must_use]
        pub fn during_handshake(error: &io::Error) -> Option<Self> {
            Self::within(error)
                .or((error.kind() == io::ErrorKind::UnexpectedEof).then_some(Self::HandshakeClosed))
        }

        /// The error of TLS that is inside of one of a stream of `tokio-rustls`. By TLS 1.3 a peer that
        /// refuses the client's certificate says so only here, after the handshake.
        #[must_use]
        pub fn within(error: &io::Error) -> Option<Self> {
            let error: &Error = error.get_ref()?.downcast_ref()?;
            Some(match error {
                Error::InvalidCertificate(error) => Self::of_certificate(error),
                Error::NoApplicationProtocol
                | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Self::NoHttp2,
                Error::AlertReceived(alert) => Self::Alert(alert_name(*alert)),
                Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
                other => Self::Protocol(other.to_string()),
            })
        }

        fn of_certificate(error: &CertificateError) -> Self {
            match error {
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::BadSignature => Self::BadSignature,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                } => Self::WrongName {
                    expected: expected.to_str().into_owned(),
                    presented: presented.iter().take(MOST).cloned().collect(),
                },
                other => Self::BadCertificate(other.to_string()),
            }
        }
    }

    /// The name of an alert as RFC 8446 writes it.
    fn alert_name(alert: AlertDescription) -> String {
        let mut name = String::new();
        let mut after_lower = false;
        for c in format!("{alert:?}").chars() {
            if c.is_ascii_uppercase() && after_lower {
                name.push('_');
            }
            after_lower = c.is_ascii_lowercase();
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn alerts_have_the_names_of_the_rfc() {
            for (alert, name) in [
                (
                    AlertDescription::CertificateRequired,
                    "certificate_required",
                ),
                (AlertDescription::UnknownCA, "unknown_ca"),
                (AlertDescription::HandshakeFailure, "handshake_failure"),
            ] {
                assert_eq!(alert_name(alert), name);
            }
        }
    }
}
