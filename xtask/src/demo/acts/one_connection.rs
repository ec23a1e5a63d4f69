//! Act 1, the problem: one channel to one address, as a ClusterIP gives it.

use super::{Scene, Verdict};
use crate::demo::error::Error;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<(), Error> {
    scene
        .screen
        .title("Act 1: one channel to one address, as behind a ClusterIP");
    scene
        .screen
        .say("gRPC puts every call on one connection, so one replica does all the work.");
    let channel = scene.stage.to_one_address().await?;
    let report = scene.load.calls(&channel, scene.calls).await;
    scene.screen.table(&report);
    scene.claim(Verdict::on_one_replica(&report, scene.calls));
    Ok(())
}
