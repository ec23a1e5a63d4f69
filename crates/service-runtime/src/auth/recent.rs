//! Who called last on a connection. Most connections carry one caller's calls, each with the same token: to
//! compare two tokens costs a tenth of what it costs to look one up in the [memory](super::memory).
//!
//! The token itself is kept, one for each connection, until another one comes or the connection ends. It is
//! compared in constant time, since a proxy sends the calls of many callers over one connection: how long a
//! refusal takes says nothing of another caller's token.

use std::fmt;
use std::sync::Arc;

use constant_time_eq::constant_time_eq;
use jiff::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

use super::caller::{Caller, Principal};
use super::memory::{Memory, Verified};
use crate::tls::peer::Peer;

/// Who called last on one connection. A copy is for another connection, and knows nobody.
#[derive(Default)]
pub(super) struct Recent {
    token: Option<Token>,
    peer: Option<(Arc<Peer>, Caller)>,
}

struct Token {
    bytes: Zeroizing<Vec<u8>>,
    verified: Verified,
    /// That of the memory which has it, too: other keys may not accept it.
    era: Arc<()>,
}

// === impl Recent ===

impl Recent {
    /// Whose token it is, if it is the last one and still counts.
    pub(super) fn recall(&self, memory: &Memory, token: &[u8], now: Timestamp) -> Option<Caller> {
        let last = self.token.as_ref()?;
        let counts = Arc::ptr_eq(&last.era, memory.era()) && now < last.verified.until;
        (counts && constant_time_eq(&last.bytes, token)).then(|| last.verified.caller.clone())
    }

    /// The token is the last one now, unless its memory is to remember none.
    pub(super) fn remember(&mut self, memory: &Memory, token: &[u8], verified: Verified) {
        if memory.is_off() {
            return;
        }
        let mut bytes = self.token.take().map(|it| it.bytes).unwrap_or_default();
        bytes.zeroize();
        bytes.extend_from_slice(token);
        self.token = Some(Token {
            bytes,
            verified,
            era: memory.era().clone(),
        });
    }

    /// Whose certificate it is: one and the same for all calls of a connection, with its name made once.
    pub(super) fn peer(&mut self, peer: &Arc<Peer>) -> Caller {
        if let Some((last, caller)) = &self.peer
            && Arc::ptr_eq(last, peer)
        {
            return caller.clone();
        }
        let caller = Caller::from(Principal::Mtls(peer.clone()));
        self.peer = Some((peer.clone(), caller.clone()));
        caller
    }
}

impl Clone for Recent {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verified(name: &str) -> Verified {
        let name = name.to_owned();
        Verified {
            caller: Principal::Basic { name }.into(),
            until: second(10),
        }
    }

    #[test]
    fn only_the_last_token_is_known_and_only_in_its_time_and_by_its_keys() {
        let memory = Memory::new(10).unwrap();
        let mut recent = Recent::default();
        assert_eq!(recent.recall(&memory, b"first", second(9)), None);
        recent.remember(&memory, b"first", verified("a"));
        let known = recent.recall(&memory, b"first", second(9));
        assert_eq!(known, Some(verified("a").caller));
        assert_eq!(recent.recall(&memory, b"firs", second(9)), None);
        assert_eq!(recent.recall(&memory, b"first!", second(9)), None);
        assert_eq!(recent.recall(&memory, b"first", second(10)), None);
        let newer = Memory::new(10).unwrap();
        assert_eq!(recent.recall(&newer, b"first", second(9)), None);
        recent.remember(&memory, b"the second", verified("b"));
        let known = recent.recall(&memory, b"the second", second(9));
        assert_eq!(known, Some(verified("b").caller));
        assert_eq!(recent.recall(&memory, b"first", second(9)), None);
    }

    #[test]
    fn another_connection_knows_nobody() {
        let memory = Memory::new(10).unwrap();
        let mut recent = Recent::default();
        recent.remember(&memory, b"first", verified("a"));
        assert_eq!(recent.clone().recall(&memory, b"first", second(9)), None);
    }

    #[test]
    fn nothing_is_remembered_where_the_memory_is_off() {
        let memory = Memory::new(0).unwrap();
        let mut recent = Recent::default();
        recent.remember(&memory, b"first", verified("a"));
        assert_eq!(recent.recall(&memory, b"first", second(9)), None);
    }
}
