//! What to try when a call did not get through: the flag to look at, or the question to ask.
//!
//! A server that refuses a certificate runs, and one whose name does not exist may: what helps depends
//! on the cause, which the channel keeps as a type.

use std::error::Error as _;

use grpc_channel::resolver::ResolveError;
use grpc_channel::{Disconnect, TlsFailure};
use tonic::{Code, Status};

use crate::output::printable;

/// What to try when a call did not get through.
pub(crate) fn hint(status: &Status, target: &str) -> Option<String> {
    let target = printable(target);
    let source = status.source();
    let is_unresolved = source.is_some_and(<dyn std::error::Error>::is::<ResolveError>);
    let disconnect = source.and_then(|it| it.downcast_ref::<Disconnect>());
    match (status.code(), disconnect) {
        (Code::Unavailable, _) if is_unresolved => Some(unresolved(&target)),
        (Code::Unavailable, Some(Disconnect::Tls { reason })) => Some(of_tls(reason, &target)),
        (Code::Unavailable, _) => Some(format!(
            "No replica at {target} took the call. Is a server running there?\n\
             Start one with `cargo run --package user-server`, name another one with --target,\n\
             or wait for one with --wait-for-ready."
        )),
        (Code::DeadlineExceeded, _) => {
            Some("A longer time for each call: --timeout 30s".to_owned())
        }
        _ => None,
    }
}

/// What to try when a target leads to no address.
pub(crate) fn unresolved(target: &str) -> String {
    format!(
        "The name in {} could not be resolved.\n\
         Is it spelt right, and known where this runs? Another one: --target HOST:PORT",
        printable(target)
    )
}

/// Somebody answers there, and TLS with them failed.
fn of_tls(failure: &TlsFailure, target: &str) -> String {
    match failure {
        TlsFailure::UnknownIssuer | TlsFailure::BadSignature => {
            "The server shows a certificate of an authority that is not trusted here.\n\
             The file of --tls-ca has to hold the authority that signed it."
                .to_owned()
        }
        TlsFailure::WrongName { expected, .. } => format!(
            "The server's certificate is not for {}.\n\
             If the server is the right one, name it as its certificate does: --tls-server-name NAME",
            printable(expected)
        ),
        TlsFailure::Expired | TlsFailure::NotYetValid => {
            "The server's certificate is not valid at this time: it has to be replaced there,\n\
             or the clock of this machine is wrong. No flag helps."
                .to_owned()
        }
        TlsFailure::Alert(alert) => of_alert(alert),
        TlsFailure::NotTls => format!(
            "The server at {target} speaks plaintext on this port.\n\
             Another port has TLS, perhaps: --target HOST:PORT; plaintext is spoken without --tls."
        ),
        TlsFailure::NoHttp2 => format!(
            "The server at {target} speaks TLS and no gRPC on this port: --target HOST:PORT"
        ),
        _ => "TLS with the server failed. It may ask for a version of TLS that is not allowed here;\n\
              `--set tls.minimum_version=1.2` allows an older one."
            .to_owned(),
    }
}

/// The server refuses this client, by an alert of RFC 8446, section 6.2.
fn of_alert(alert: &str) -> String {
    match alert {
        "certificate_required" => "The server asks for a certificate of this client: \
             --tls-certificate FILE\nand --tls-private-key FILE."
            .to_owned(),
        "unknown_ca" | "bad_certificate" | "unsupported_certificate" | "certificate_revoked"
        | "certificate_expired" | "certificate_unknown" | "access_denied" | "decrypt_error" => {
            "The server does not accept the certificate of this client.\n\
             Look at the file of --tls-certificate: is it valid, and by an authority that the server trusts?"
                .to_owned()
        }
        "protocol_version" => "The server speaks no version of TLS that is allowed here.\n\
             `--set tls.minimum_version=1.2` allows an older one."
            .to_owned(),
        "unrecognized_name" => "The server does not know the name that it was called by: \
             --tls-server-name NAME"
            .to_owned(),
        _ => "The server refused the handshake; its log says why.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn after(reason: TlsFailure) -> String {
        let mut status = Status::unavailable("no replica is ready");
        status.set_source(Arc::new(Disconnect::Tls { reason }));
        hint(&status, "dns:///server.test:443").expect("there is something to try")
    }

    #[test]
    fn a_failure_of_tls_names_the_flag_and_does_not_ask_whether_a_server_runs() {
        let wrong_name = TlsFailure::WrongName {
            expected: "server.test".to_owned(),
            presented: Vec::new(),
        };
        let alert = |name: &str| TlsFailure::Alert(name.to_owned());
        for (failure, part) in [
            (TlsFailure::UnknownIssuer, "--tls-ca"),
            (TlsFailure::BadSignature, "--tls-ca"),
            (wrong_name, "--tls-server-name"),
            (TlsFailure::Expired, "has to be replaced there"),
            (TlsFailure::NotYetValid, "clock"),
            (alert("certificate_required"), "--tls-certificate FILE"),
            (alert("certificate_required"), "--tls-private-key FILE"),
            (alert("unknown_ca"), "--tls-certificate"),
            (alert("certificate_expired"), "--tls-certificate"),
            (alert("protocol_version"), "minimum_version"),
            (alert("internal_error"), "its log"),
            (TlsFailure::NotTls, "without --tls"),
            (TlsFailure::NoHttp2, "--target"),
            (TlsFailure::HandshakeClosed, "TLS"),
        ] {
            let hint = after(failure.clone());
            assert!(hint.contains(part), "{failure:?}: {part:?} in {hint}");
            assert!(!hint.contains("Is a server running"), "{hint}");
            assert!(
                hint.lines().all(|line| line.chars().count() <= 100),
                "{hint}"
            );
        }
    }

    #[test]
    fn where_nobody_answers_the_question_is_whether_a_server_runs() {
        let mut status = Status::unavailable("no replica is ready");
        status.set_source(Arc::new(Disconnect::Refused));
        let hint = hint(&status, "dns:///server.test:443").unwrap();
        assert!(hint.contains("Is a server running there?"), "{hint}");
    }
}
