//! Where a watch goes on: a resume token says what its caller has seen.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Position, UserId};

/// What the caller of a watch has seen. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeToken {
    /// Every change up to this position.
    After(Position),
    /// The initial state as of `head`, up to and with the resource `after`.
    Initial {
        /// The last change that is part of the initial state.
        head: Position,
        /// The last resource; `None` when none was sent yet.
        after: Option<UserId>,
    },
    /// The initial state and every change up to this position, but not yet the mark that the initial
    /// state is complete.
    Completing(Position),
}

/// The text is no token that a watch sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the resume_token of an event")]
pub struct ResumeTokenError;

/// So that a later form can be told from this one.
const VERSION: u8 = 1;

const AFTER: u8 = 0;
const INITIAL: u8 = 1;
const COMPLETING: u8 = 2;

/// The nil UUID is nobody's id.
const NOBODY: Uuid = Uuid::nil();

// === impl ResumeToken ===

/// base64url of: the version (1 byte), the kind (1 byte), the position (8 bytes, big-endian), and for
/// the initial state the last id (16 bytes).
impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, position) = match self {
            Self::After(position) => (AFTER, position),
            Self::Initial { head, .. } => (INITIAL, head),
            Self::Completing(position) => (COMPLETING, position),
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(&position.get().to_be_bytes());
        if let Self::Initial { after, .. } = self {
            bytes.extend_from_slice(after.map_or(NOBODY, UserId::uuid).as_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ResumeToken {
    type Err = ResumeTokenError;

    fn from_str(text: &str) -> Result<Self, ResumeTokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ResumeTokenError)?;
        let [VERSION, kind, rest @ ..] = bytes.as_slice() else {
            return Err(ResumeTokenError);
        };
        let (position, rest) = rest.split_first_chunk().ok_or(ResumeTokenError)?;
        let position = Position::new(u64::from_be_bytes(*position));
        match (*kind, rest) {
            (AFTER, []) => Ok(Self::After(position)),
            (COMPLETING, []) => Ok(Self::Completing(position)),
            (INITIAL, id) => {
                let id = Uuid::from_slice(id).map_err(|_| ResumeTokenError)?;
                Ok(Self::Initial {
                    head: position,
                    after: (id != NOBODY).then(|| UserId::new(id)),
                })
            }
            _ => Err(ResumeTokenError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        let position = Position::new(u64::MAX);
        for token in [
            ResumeToken::After(position),
            ResumeToken::Completing(position),
            ResumeToken::Initial {
                head: position,
                after: None,
            },
            ResumeToken::Initial {
                head: Position::START,
                after: Some(UserId::new(Uuid::from_u128(7))),
            },
        ] {
            assert_eq!(token.to_string().parse(), Ok(token));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            &[][..],
            &[1],
            &[1, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 3, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            assert_eq!(
                text.parse::<ResumeToken>(),
                Err(ResumeTokenError),
                "{bytes:?}"
            );
        }
        assert!("not base64!".parse::<ResumeToken>().is_err());
    }
}
