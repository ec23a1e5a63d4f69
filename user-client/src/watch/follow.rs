//! The loop: a stream, and the next one where it ended.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use user_api::v1::WatchUsersResponse;
use user_api::v1::user_service_client::UserServiceClient;

use super::{Advance, Cursor, StateError, StateFile, TokenMissing, retry};
use crate::connect::Channel;

/// The state file is written when this long has passed since an event, so that a burst of changes
/// does not wait for the disk at each of them.
const WRITE_DELAY: Duration = Duration::from_millis(100);

/// A stream that lasted for longer than this was a good one, and the next attempt may be made soon.
const GOOD: Duration = Duration::from_secs(10);

/// Is told what happens.
pub trait Observer {
    /// An event came. When this succeeds the event counts as seen, and is not asked for again.
    ///
    /// # Errors
    /// When the event cannot be shown, which ends the loop.
    fn event(&mut self, event: &WatchUsersResponse) -> std::io::Result<()>;

    /// The stream was lost, and is continued after `wait`; `caveat` is what that cannot promise.
    fn lost(&mut self, status: &Status, wait: Duration, caveat: Option<&'static str>);
}

/// How long to try when no stream can be had.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the loss of a stream to the next event. `None` means for ever.
    pub give_up_after: Option<Duration>,
}

/// Why the loop ended.
#[derive(Debug)]
pub enum Failure {
    /// The call failed in a way that no further try mends, or for too long.
    Call(Box<Status>),
    /// The server did not accept the place to continue from.
    Token(Box<Status>),
    /// A change came without a token.
    TokenMissing,
    /// The state file cannot be written.
    State(StateError),
    /// An event could not be shown.
    Output(std::io::Error),
}

/// Follows the changes from `cursor` on, and moves it. Ends only by a failure.
///
/// The first stream must come about at once, so that a wrong target is told at once; later ones are
/// tried again with a growing delay, as long as `patience` allows.
///
/// # Cancel safety
///
/// Dropping the future at any time leaves `cursor` behind the last event that was shown. The state
/// file may be behind it by what was shown in the last moment: write it once more.
pub async fn follow(
    mut client: UserServiceClient<Channel>,
    cursor: &mut Cursor,
    state: Option<&StateFile>,
    patience: Patience,
    observer: &mut dyn Observer,
) -> Failure {
    let mut has_begun = false;
    let mut failures = 0;
    let mut lost_at = Instant::now();
    loop {
        let before = cursor.token().map(str::to_owned);
        let opening = Instant::now();
        let opened = client.watch_users(cursor.request()).await;
        let has_opened = opened.is_ok();
        let mut has_heard = false;
        let status = match opened {
            Ok(response) => {
                let stream = response.into_inner();
                match run(stream, cursor, state, observer, &mut has_heard).await {
                    Ok(status) => status,
                    Err(failure) => return failure,
                }
            }
            Err(status) => status,
        };
        if let Some(token) = retry::resume_token(&status) {
            cursor.adopt(token);
        }
        let was_good = has_opened && opening.elapsed() > GOOD;
        if was_good || cursor.token() != before.as_deref() {
            failures = 0;
        }
        // A heartbeat is a word from the server too, although it need not move the cursor.
        if was_good || has_heard || (has_opened && !has_begun) {
            lost_at = Instant::now();
        }
        has_begun |= has_opened;
        failures += 1;
        if cursor.token().is_some() && retry::is_about_the_token(status.code()) {
            return Failure::Token(Box::new(status));
        }
        let wait = retry::delay(failures, &status, fastrand::f64());
        let is_too_long = patience
            .give_up_after
            .is_some_and(|limit| lost_at.elapsed() + wait > limit);
        if !has_begun || !retry::is_worthwhile(status.code()) || is_too_long {
            return Failure::Call(Box::new(status));
        }
        observer.lost(&status, wait, cursor.caveat());
        tokio::time::sleep(wait).await;
    }
}

/// Runs one stream to its end, and says how it ended; `has_heard` becomes true with its first event.
async fn run(
    mut stream: tonic::Streaming<WatchUsersResponse>,
    cursor: &mut Cursor,
    state: Option<&StateFile>,
    observer: &mut dyn Observer,
    has_heard: &mut bool,
) -> Result<Status, Failure> {
    let mut due: Option<Instant> = None;
    let save = |cursor: &Cursor| match (state, cursor.token()) {
        (Some(state), Some(token)) => state.write(token).map_err(Failure::State),
        _ => Ok(()),
    };
    loop {
        let message = tokio::select! {
            message = stream.message() => message,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                save(cursor)?;
                due = None;
                continue;
            }
        };
        let event = match message {
            Ok(Some(event)) => event,
            ended => {
                save(cursor)?;
                // Changes do not end: a stream that ends well is over too early all the same.
                return Ok(ended
                    .err()
                    .unwrap_or_else(|| Status::unavailable("the server ended the stream")));
            }
        };
        *has_heard = true;
        // Shown first and counted then: what cannot be shown is shown by the next run.
        observer.event(&event).map_err(Failure::Output)?;
        match cursor.advance(&event) {
            Ok(Advance::Moved) if state.is_some() && due.is_none() => {
                due = Some(Instant::now() + WRITE_DELAY);
            }
            Ok(Advance::Moved | Advance::Stayed) => {}
            Err(TokenMissing) => return Err(Failure::TokenMissing),
        }
    }
}
