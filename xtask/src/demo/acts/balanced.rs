//! Act 2, the cure: a channel that resolves the headless name and picks a replica for every call.

use super::{Scene, Verdict};
use crate::demo::error::Error;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<(), Error> {
    scene
        .screen
        .title("Act 2: the balancing channel to the headless name");
    scene.screen.say(&scene.stage.headless_target());
    let channel = scene.stage.to_headless_name().await?;
    scene.stage.connected(&channel).await?;
    let report = scene.load.calls(&channel, scene.calls).await;
    scene.screen.table(&report);
    scene.claim(Verdict::even("Even to one call", &report, scene.calls, 3));
    Ok(())
}
