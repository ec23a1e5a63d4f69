//! Delays and aborts on purpose, as the client sees them.

use std::time::{Duration, Instant};

use tonic::Code;

use super::routes::assert_share;
use super::world::{World, call, tally};

#[tokio::test(flavor = "multi_thread")]
async fn delays_and_aborts_are_seen_by_the_client() {
    const CALLS: usize = 600;
    let Some((world, _replicas)) = World::start(&["fault-injection"]).await else {
        return;
    };
    let percent = |fault: &str| {
        let pointer = format!("/fault/{fault}/percentage/value");
        world.rule("reads", &pointer).as_f64().unwrap() / 100.0
    };
    let delay = world.rule("reads", "/fault/delay/fixedDelay");
    let seconds = delay.as_str().unwrap().strip_suffix('s').unwrap();
    // Envoy counts from the beginning of its event loop's turn, which on a busy machine was before the
    // call came; half of the delay is still far more than a call takes that is not delayed.
    let felt = Duration::from_secs(seconds.parse().unwrap()) / 2;

    let client = world.client(true).await;
    let answers = tally(CALLS, async || {
        let begin = Instant::now();
        let code = match call(&client, "ListUsers", &[]).await {
            Ok(_answer) => Code::Ok,
            Err(status) => status.code(),
        };
        (code as i32, begin.elapsed() >= felt)
    })
    .await;
    println!("{CALLS} calls, (code, delayed): {answers:?}");
    let count = |is: &dyn Fn(i32, bool) -> bool| -> usize {
        let wanted = answers.iter().filter(|((code, late), _)| is(*code, *late));
        wanted.map(|(_, count)| count).sum()
    };
    let aborted = count(&|code, _| code == Code::Unavailable as i32);
    let fine = count(&|code, _| code == Code::Ok as i32);
    assert_eq!(
        aborted + fine,
        CALLS,
        "nothing else may happen: {answers:?}"
    );
    assert_share(aborted, CALLS, percent("abort"), "aborted");
    let injected = world.envoy.counter("http.mesh.fault.aborts_injected").await;
    assert_eq!(aborted as u64, injected, "what is injected is not retried");

    let injected = world.envoy.counter("http.mesh.fault.delays_injected").await;
    let delayed = count(&|_, late| late);
    assert!(
        delayed as u64 >= injected,
        "each of the {injected} delays must be felt: {answers:?}"
    );
    let injected = usize::try_from(injected).unwrap();
    assert_share(injected, CALLS, percent("delay"), "delayed");
}
