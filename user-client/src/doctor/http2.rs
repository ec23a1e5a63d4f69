//! Does each address speak HTTP/2?
//!
//! It is asked with the first bytes of HTTP/2 and not with a client of it, because what matters is
//! what comes back when the peer speaks something else.

use std::time::Duration;

use grpc_channel::{Disconnect, TlsFailure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connection::Stream;
use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::Probed;
use super::survey::{Trouble, survey};
use crate::output::printable;

/// The preface of a client and its SETTINGS, which may be empty (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// GOAWAY with `NO_ERROR`, so that the peer need not wonder.
const GOODBYE: &[u8] = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// The length of a frame's header.
const HEADER: usize = 9;

/// Why an address does not speak HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It accepted and said nothing.
    #[error("it accepts and says nothing within {0:?}")]
    Silent(Duration),
    /// It closed the connection without an answer.
    #[error("it closes the connection without an answer")]
    Closed,
    /// It answered as HTTP/1 does.
    #[error("it speaks HTTP/1 and not HTTP/2")]
    Http1,
    /// It answered as TLS does.
    #[error("it speaks TLS, and this client plaintext")]
    SpeaksTls,
    /// It answered something else.
    #[error("it answers {0:?}, which is not HTTP/2")]
    Other(String),
    /// The connection broke.
    #[error(transparent)]
    Broken(Disconnect),
    /// TLS ended the connection: by TLS 1.3 only now the peer refuses the client's certificate.
    #[error(transparent)]
    Refused(TlsFailure),
}

/// Asks within `patience`.
pub(super) async fn ask(mut stream: Box<dyn Stream>, patience: Duration) -> Result<(), Failure> {
    let mut answer = [0; HEADER];
    let mut filled = 0;
    let asked = async {
        stream.write_all(PREFACE).await?;
        stream.flush().await?;
        while filled < HEADER {
            match stream.read(&mut answer[filled..]).await? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(())
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(broken(&error)),
        Err(_elapsed) if filled == 0 => return Err(Failure::Silent(patience)),
        Err(_elapsed) => {}
    }
    judge(&answer[..filled])?;
    // Whether the peer still listens does not change that it speaks HTTP/2.
    let _said = stream.write_all(GOODBYE).await;
    let _sent = stream.flush().await;
    Ok(())
}

fn broken(error: &std::io::Error) -> Failure {
    TlsFailure::within(error).map_or_else(
        || Failure::Broken(Disconnect::from_io(error)),
        Failure::Refused,
    )
}

/// What the first bytes of an answer are.
fn judge(answer: &[u8]) -> Result<(), Failure> {
    const SETTINGS: u8 = 4;
    const ALERT: u8 = 21;
    match *answer {
        [] => Err(Failure::Closed),
        // A server's preface is SETTINGS, on stream 0, which acknowledges nothing.
        [_, _, _, SETTINGS, flags, 0, 0, 0, 0] if flags & 1 == 0 => Ok(()),
        [ALERT, 3, ..] => Err(Failure::SpeaksTls),
        [b'H', b'T', b'T', b'P', b'/', b'1', ..] => Err(Failure::Http1),
        _ => Err(Failure::Other(
            printable(&String::from_utf8_lossy(answer)).into_owned(),
        )),
    }
}

/// What it means how the addresses answered.
#[must_use]
pub fn verdict(probed: &[Probed], place: Option<&Place>) -> Finding {
    let answers = probed.iter().filter_map(|it| {
        let answer = it.http2.as_ref()?.as_ref().copied();
        let trouble = |failure: &Failure| Trouble {
            says: failure.to_string(),
            next: next(failure, it, place),
        };
        Some((&it.address, answer.map_err(trouble)))
    });
    survey(Question::Http2, answers, |good| format!("{good} speak it"))
}

fn next(failure: &Failure, probed: &Probed, place: Option<&Place>) -> Vec<String> {
    let pod = || place.map(|place| place.get_pod(&probed.address));
    let mut next = Vec::new();
    match failure {
        Failure::SpeaksTls => next.push("set --tls and --tls-ca FILE".to_owned()),
        Failure::Http1 => {
            next.push("it is another port, such as that of metrics: which one is grpc?".to_owned());
        }
        Failure::Silent(_) => {
            next.push("does the process hang? its log and its CPU tell".to_owned());
            next.extend(pod());
        }
        Failure::Closed if probed.tls.is_none() => {
            next.push("does it expect TLS? --tls and --tls-ca FILE".to_owned());
            next.extend(pod());
        }
        _ => next.extend(pod()),
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_first_bytes() {
        let settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00";
        assert_eq!(judge(settings), Ok(()));
        let acknowledged = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00";
        assert!(judge(acknowledged).is_err(), "that is no preface");
        assert_eq!(judge(b"HTTP/1.1 "), Err(Failure::Http1));
        assert_eq!(
            judge(b"\x15\x03\x03\x00\x02\x02\x32"),
            Err(Failure::SpeaksTls)
        );
        assert_eq!(judge(b""), Err(Failure::Closed));
        assert_eq!(
            judge(b"220 mail\r"),
            Err(Failure::Other("220 mail\\r".to_owned()))
        );
    }
}
