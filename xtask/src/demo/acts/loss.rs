//! Act 3, the proof: replicas are killed and drained under load, and come back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use user_client::connect::Channel;
use user_client::load::{Limit, Report};

use super::{Scene, Verdict};
use crate::demo::error::Error;
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;

/// How long the load runs before, between and after the events, so that each can be seen.
const PAUSE: Duration = Duration::from_secs(1);

/// The fresh stretch at the end is this part of the calls of the other acts, and at least that many.
const FRESH_PART: u64 = 10;
const FRESH_LEAST: u64 = 300;

/// The replica that is lost in each way.
const KILLED: usize = 1;
const DRAINED: usize = 2;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<(), Error> {
    scene
        .screen
        .title("Act 3: a replica is lost under load, and comes back");
    let channel = scene.stage.to_headless_name().await?;
    scene.stage.connected(&channel).await?;

    let report = under_load(scene, &channel, kill).await?;
    scene.screen.table(&report);
    scene.claim(Verdict::none_failed(
        &report,
        "A replica was killed (SIGKILL) and came back",
    ));

    let report = under_load(scene, &channel, drain).await?;
    scene.screen.table(&report);
    scene.claim(Verdict::none_failed(
        &report,
        "A replica was drained (SIGTERM) and came back",
    ));

    let calls = (scene.calls / FRESH_PART).max(FRESH_LEAST);
    scene.screen.say("The same channel, once more:");
    let report = scene.load.calls(&channel, calls).await;
    scene.screen.table(&report);
    scene.claim(Verdict::even("Even again", &report, calls, 3));
    Ok(())
}

/// Keeps calling while `events` happen and until the client is connected to all replicas again.
async fn under_load(
    scene: &mut Scene<'_>,
    channel: &Channel,
    events: impl AsyncFnOnce(&mut Stage, &Screen) -> Result<(), Error>,
) -> Result<Report, Error> {
    let enough = CancellationToken::new();
    let (report, happened) = tokio::join!(scene.load.run(channel, Limit::Never, &enough), async {
        let happened = async {
            tokio::time::sleep(PAUSE).await;
            events(scene.stage, scene.screen).await?;
            scene.stage.connected(channel).await?;
            scene
                .screen
                .event("the client is connected to all three again");
            tokio::time::sleep(PAUSE).await;
            Ok(())
        };
        let happened = happened.await;
        enough.cancel();
        happened
    });
    happened.map(|()| report)
}

async fn kill(stage: &mut Stage, screen: &Screen) -> Result<(), Error> {
    screen.event(&format!("SIGKILL to {}", stage.address(KILLED)));
    stage.kill(KILLED).await?;
    screen.event("its address has left the DNS answer");
    tokio::time::sleep(PAUSE).await;
    stage.restart(KILLED).await?;
    screen.event("it is started, ready, and back in the DNS answer");
    Ok(())
}

async fn drain(stage: &mut Stage, screen: &Screen) -> Result<(), Error> {
    screen.event(&format!(
        "SIGTERM to {}, whose address leaves the DNS answer",
        stage.address(DRAINED)
    ));
    stage.terminate(DRAINED).await?;
    screen.event("it has drained and ended");
    tokio::time::sleep(PAUSE).await;
    stage.restart(DRAINED).await?;
    screen.event("it is started, ready, and back in the DNS answer");
    Ok(())
}
