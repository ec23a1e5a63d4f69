//! The story in three acts: what is done, what is shown, and what is claimed.

mod balanced;
mod loss;
mod one_connection;

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use user_client::connect::Channel;
use user_client::load::prepare::any_id;
use user_client::load::{self, GetCall, Limit, Plan, Report};

use super::Options;
use super::error::Error;
use super::screen::Screen;
use super::stage::Stage;
use super::verdict::{Verdict, Verdicts};

/// How long one call may take: far more than any needs, so that a hang shows as a failure.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What every act needs.
struct Scene<'a> {
    stage: &'a mut Stage,
    screen: &'a Screen,
    calls: u64,
    load: Load<'a>,
    verdicts: Verdicts,
}

/// The calls; apart from the stage, which changes while calls are made.
struct Load<'a> {
    workers: NonZeroUsize,
    screen: &'a Screen,
    /// The entry that every call asks for.
    id: String,
}

/// Plays the three acts.
pub(crate) async fn play(
    stage: &mut Stage,
    options: &Options,
    screen: &Screen,
) -> Result<Verdicts, Error> {
    screen.title("Three replicas, one database, and a DNS server with their headless name");
    stage.start_all().await?;
    for index in 0..3 {
        screen.say(&format!("replica {} is ready", stage.address(index)));
    }
    let id = any_id(&stage.to_one_address().await?, CALL_TIMEOUT)
        .await
        .map_err(Error::Prepare)?;
    let mut scene = Scene {
        stage,
        screen,
        calls: options.calls,
        load: Load {
            workers: options.workers,
            screen,
            id,
        },
        verdicts: Verdicts::default(),
    };
    one_connection::play(&mut scene).await?;
    balanced::play(&mut scene).await?;
    loss::play(&mut scene).await?;
    Ok(scene.verdicts)
}

// === impl Scene ===

impl Scene<'_> {
    fn claim(&mut self, verdict: Verdict) {
        self.screen.verdict(&verdict);
        self.verdicts.add(verdict);
    }
}

// === impl Load ===

impl Load<'_> {
    /// Makes this many calls.
    async fn calls(&self, channel: &Channel, calls: u64) -> Report {
        let limit = Limit::Calls(calls);
        self.run(channel, limit, &CancellationToken::new()).await
    }

    /// Makes calls until `limit` or `cancel` ends it.
    async fn run(&self, channel: &Channel, limit: Limit, cancel: &CancellationToken) -> Report {
        let plan = Plan {
            workers: self.workers,
            limit,
            rate: None,
            grace: CALL_TIMEOUT,
        };
        let call = GetCall::new(channel.clone(), self.id.clone(), CALL_TIMEOUT);
        let mut progress = self.screen.progress(limit);
        load::run(&plan, call, progress.as_mut(), cancel).await
    }
}
