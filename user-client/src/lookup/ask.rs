//! The asking side of the pipeline.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use user_api::v1::LookupUsersRequest;

use super::{By, InFlight, Key};

/// Sends a question for every key, as long as there is place in flight, and returns when the last one
/// is sent. The tag of a question is its number, counted from 1.
///
/// Ends early when nobody takes questions any more.
///
/// # Errors
/// When the keys cannot be read to their end.
pub async fn ask(
    mut keys: mpsc::Receiver<io::Result<String>>,
    by: By,
    in_flight: Arc<InFlight>,
    questions: mpsc::Sender<LookupUsersRequest>,
) -> io::Result<()> {
    let mut number = 0;
    while let Some(key) = keys.recv().await {
        let key = Key::new(key?, by);
        let Some(place) = in_flight.place().await else {
            return Ok(());
        };
        number += 1;
        let question = LookupUsersRequest {
            tag: number.to_string(),
            key: Some((&key).into()),
        };
        // Before it is sent: the answer may be here before this task runs again.
        in_flight.ask(number, key, place);
        if questions.send(question).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
