//! Where a stream of changes goes on.

use std::path::PathBuf;

use user_api::v1::watch_users_request::Start;
use user_api::v1::watch_users_response::Event;
use user_api::v1::{WatchUsersRequest, WatchUsersResponse};

/// Where a stream of changes goes on: after the last event that carried a resume token, or else
/// where the operator wanted it to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    origin: Origin,
    token: Option<String>,
    /// Whether events were seen that no token covers.
    is_between_tokens: bool,
}

/// Where the operator wants the stream to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With what changes from now on.
    Now,
    /// With every resource that exists.
    InitialSync,
    /// After the event that carried this token, which was typed.
    Token(String),
    /// After the event that carried this token, which a file holds.
    File(PathBuf, String),
}

/// What an event meant for the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// From here the stream can be continued.
    Moved,
    /// The event carries no token; the stream continues from where it did before.
    Stayed,
}

/// A change came without a token although earlier events had one: after a lost connection it would
/// come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenMissing;

// === impl Cursor ===

impl Cursor {
    /// A cursor before the first event.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        let token = match &origin {
            Origin::Token(token) | Origin::File(_, token) => Some(token.clone()),
            Origin::Now | Origin::InitialSync => None,
        };
        Self {
            origin,
            token,
            is_between_tokens: false,
        }
    }

    /// The request that continues from here.
    #[must_use]
    pub fn request(&self) -> WatchUsersRequest {
        let start = match (&self.token, &self.origin) {
            (Some(token), _) => Some(Start::ResumeToken(token.clone())),
            (None, Origin::InitialSync) => Some(Start::InitialSync(true)),
            (None, _) => None,
        };
        WatchUsersRequest { start }
    }

    /// Moves behind `event`.
    ///
    /// # Errors
    /// When the event is a change that could not be told from its own repetition.
    pub fn advance(&mut self, event: &WatchUsersResponse) -> Result<Advance, TokenMissing> {
        if !event.resume_token.is_empty() {
            self.token = Some(event.resume_token.clone());
            self.is_between_tokens = false;
            return Ok(Advance::Moved);
        }
        match event.event {
            Some(Event::Change(_)) if self.token.is_some() => Err(TokenMissing),
            Some(Event::Change(_)) => {
                self.is_between_tokens = true;
                Ok(Advance::Stayed)
            }
            _ => Ok(Advance::Stayed),
        }
    }

    /// Takes the token that came with the end of a stream which began now and carried none: the
    /// server says where "now" was, and nothing is missed.
    ///
    /// Any other stream goes on after its last event, which the reader is known to have seen.
    pub fn adopt(&mut self, token: String) {
        if self.token.is_none() && self.origin == Origin::Now && !self.is_between_tokens {
            self.token = Some(token);
        }
    }

    /// The token that continues from here, if there is one yet.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Where the operator wanted the stream to begin.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What a new stream from here cannot promise; `None` when it misses and repeats nothing.
    #[must_use]
    pub fn caveat(&self) -> Option<&'static str> {
        if self.token.is_some() {
            return None;
        }
        match self.origin {
            Origin::InitialSync => self
                .is_between_tokens
                .then_some("the initial state begins again"),
            _ => Some("what changed in the meantime is not shown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use user_api::v1::{Heartbeat, UserChange};

    use super::*;

    fn change(token: &str) -> WatchUsersResponse {
        WatchUsersResponse {
            event: Some(Event::Change(UserChange::default())),
            resume_token: token.to_owned(),
        }
    }

    fn resumes_after(cursor: &Cursor) -> Option<Start> {
        cursor.request().start
    }

    #[test]
    fn the_last_token_continues_and_a_heartbeat_moves_it_too() {
        let mut cursor = Cursor::new(Origin::InitialSync);
        assert_eq!(resumes_after(&cursor), Some(Start::InitialSync(true)));
        assert_eq!(cursor.advance(&change("1")), Ok(Advance::Moved));
        let heartbeat = WatchUsersResponse {
            event: Some(Event::Heartbeat(Heartbeat {})),
            resume_token: "2".to_owned(),
        };
        assert_eq!(cursor.advance(&heartbeat), Ok(Advance::Moved));
        assert_eq!(
            resumes_after(&cursor),
            Some(Start::ResumeToken("2".to_owned()))
        );
        assert_eq!(cursor.caveat(), None);
    }

    #[test]
    fn an_initial_state_without_tokens_begins_again_and_says_so() {
        let mut cursor = Cursor::new(Origin::InitialSync);
        assert_eq!(cursor.advance(&change("")), Ok(Advance::Stayed));
        assert_eq!(resumes_after(&cursor), Some(Start::InitialSync(true)));
        assert_eq!(cursor.caveat(), Some("the initial state begins again"));
    }

    #[test]
    fn a_change_that_could_come_twice_is_refused() {
        let mut cursor = Cursor::new(Origin::Token("1".to_owned()));
        assert_eq!(cursor.advance(&change("")), Err(TokenMissing));
    }

    #[test]
    fn the_end_of_a_stream_tells_where_now_was_and_nothing_else() {
        let mut now = Cursor::new(Origin::Now);
        now.adopt("5".to_owned());
        assert_eq!(now.token(), Some("5"));
        now.adopt("6".to_owned());
        assert_eq!(now.token(), Some("5"), "what was not seen is not skipped");
        let mut initial = Cursor::new(Origin::InitialSync);
        initial.adopt("5".to_owned());
        assert_eq!(initial.token(), None, "the initial state is not whole");
    }

    #[test]
    fn from_now_without_a_token_there_may_be_a_gap() {
        assert!(Cursor::new(Origin::Now).caveat().is_some());
    }
}
