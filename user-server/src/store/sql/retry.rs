//! A transaction that lost against another one is tried again, a few times.

use std::future::Future;
use std::time::Duration;

use crate::store::Error;

/// How often it is tried in all. Each loss means that somebody else won, so that the work goes on
/// either way.
const ATTEMPTS: u32 = 6;

/// The pause after the first loss; it doubles, and a random half of it is left out, so that two losers
/// do not meet again.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs a transaction until it does not end with [`Error::Contended`].
pub(in crate::store) async fn retry<T, F>(mut transaction: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match transaction().await {
            Err(Error::Contended(_)) => {}
            result => return result,
        }
        tokio::time::sleep(pause.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
        pause *= 2;
    }
    transaction().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn losses_are_tried_again_but_not_for_ever() {
        for (losses, expected) in [(0, true), (5, true), (6, false)] {
            let mut tries = 0;
            let result = retry(|| {
                tries += 1;
                let lost = tries <= losses;
                async move {
                    if lost {
                        Err(Error::Contended(None))
                    } else {
                        Ok(())
                    }
                }
            })
            .await;
            assert_eq!(result.is_ok(), expected, "{losses}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_tried_again() {
        let mut tries = 0;
        let result: Result<(), _> = retry(|| {
            tries += 1;
            async { Err(Error::EmailTaken) }
        })
        .await;
        assert!(matches!(result, Err(Error::EmailTaken)));
        assert_eq!(tries, 1);
    }
}
