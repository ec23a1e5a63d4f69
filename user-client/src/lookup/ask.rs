//! The asking side of the pipeline.

use std::io;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use user_api::v1::LookupUsersRequest;

use super::{By, InFlight, Key};

/// The keys that are still to be asked for.
#[derive(Debug)]
pub struct Keys {
    input: mpsc::Receiver<io::Result<String>>,
    by: By,
    /// How many have been asked for.
    asked: u64,
    /// What kept the rest from being read.
    failure: Option<io::Error>,
}

// === impl Keys ===

impl Keys {
    /// The keys that come out of `input`, each of which is what `by` says.
    #[must_use]
    pub const fn new(input: mpsc::Receiver<io::Result<String>>, by: By) -> Self {
        Self {
            input,
            by,
            asked: 0,
            failure: None,
        }
    }

    /// What kept the rest from being read, once.
    #[must_use]
    pub const fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}

/// Sends a question for every key, as long as there is place in flight, and returns when the last one
/// is sent. The tag of a question is its number, counted from 1.
///
/// Ends early when nobody takes questions any more, or when the keys cannot be read any further (see
/// [`Keys::take_failure`]).
///
/// # Cancel safety
///
/// Dropped at any time, no key is lost: each is either still in `keys` or already in flight, from
/// where another stream can ask for it again.
pub async fn ask(
    keys: Arc<Mutex<Keys>>,
    in_flight: Arc<InFlight>,
    questions: mpsc::Sender<LookupUsersRequest>,
) {
    let mut keys = keys.lock().await;
    // The place first: whoever holds a key must not wait before it is noted as in flight.
    while let Some(place) = in_flight.place().await
        && let Some(key) = keys.input.recv().await
    {
        let key = match key {
            Ok(key) => Key::new(key, keys.by),
            Err(error) => {
                keys.failure = Some(error);
                return;
            }
        };
        keys.asked += 1;
        let question = question(keys.asked, &key);
        // Before it is sent: the answer may be here before this task runs again.
        in_flight.ask(keys.asked, key, place);
        if questions.send(question).await.is_err() {
            return;
        }
    }
}

/// The question for a key, whose tag is its number.
pub(super) fn question(number: u64, key: &Key) -> LookupUsersRequest {
    LookupUsersRequest {
        tag: number.to_string(),
        key: Some(key.into()),
    }
}
