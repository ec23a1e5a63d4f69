//! The questions that are not answered yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use user_api::v1::LookupUsersRequest;

use super::Key;
use super::ask::question;

/// The questions that are not answered yet, by their number; at most as many as the bound says.
#[derive(Debug)]
pub struct InFlight {
    free: std::sync::Arc<Semaphore>,
    questions: Mutex<BTreeMap<u64, Question>>,
}

/// A question that was asked.
#[derive(Debug)]
pub struct Question {
    /// What was asked for.
    pub key: Key,
    /// When.
    pub asked: Instant,
    /// Its place among those in flight, which is free when this is dropped.
    _place: OwnedSemaphorePermit,
}

// === impl InFlight ===

impl InFlight {
    /// Nothing in flight, and at most `bound` from now on.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        let bound = bound.min(Semaphore::MAX_PERMITS);
        Self {
            free: std::sync::Arc::new(Semaphore::new(bound)),
            questions: Mutex::default(),
        }
    }

    /// Waits until there is a place for one more; `None` when no question will be asked any more.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// Notes that question `number` is asked, in this place.
    pub(super) fn ask(&self, number: u64, key: Key, place: OwnedSemaphorePermit) {
        let question = Question {
            key,
            asked: Instant::now(),
            _place: place,
        };
        self.questions().insert(number, question);
    }

    /// Takes the question that was sent with this tag; `None` when there is no such one, or it has
    /// been answered.
    #[must_use]
    pub fn take(&self, tag: &str) -> Option<Question> {
        let number = tag.parse().ok()?;
        self.questions().remove(&number)
    }

    /// The questions that are not answered, to ask them again on another stream. Their time begins
    /// anew.
    #[must_use]
    pub fn again(&self) -> Vec<LookupUsersRequest> {
        let mut questions = self.questions();
        let again = questions.iter_mut().map(|(number, open)| {
            open.asked = Instant::now();
            question(*number, &open.key)
        });
        again.collect()
    }

    /// Since when the oldest question has waited, and for what; `None` when there is none.
    #[must_use]
    pub fn oldest(&self) -> Option<(Instant, Key)> {
        let questions = self.questions();
        // Questions are numbered as they are asked.
        let (_, oldest) = questions.first_key_value()?;
        Some((oldest.asked, oldest.key.clone()))
    }

    fn questions(&self) -> MutexGuard<'_, BTreeMap<u64, Question>> {
        // No code panics while it holds the lock.
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::By;
    use super::*;

    #[tokio::test]
    async fn no_more_are_in_flight_than_the_bound_says() {
        let in_flight = InFlight::new(2);
        let key = || Key::new("id".to_owned(), By::Auto);
        for number in [1, 2] {
            let place = in_flight.place().await.expect("there is a place");
            in_flight.ask(number, key(), place);
        }
        assert!(
            in_flight.free.clone().try_acquire_owned().is_err(),
            "two are in flight"
        );
        assert!(in_flight.take("3").is_none() && in_flight.take("x").is_none());
        drop(in_flight.take("1").expect("it was asked"));
        assert!(in_flight.take("1").is_none(), "it has been answered");
        assert!(in_flight.free.clone().try_acquire_owned().is_ok());
        assert!(in_flight.oldest().is_some(), "one is still in flight");
    }
}
