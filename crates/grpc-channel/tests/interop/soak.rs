//! The cases that repeat `large_unary`: on one channel, and on a new one each time.
//!
//! No failure is allowed. How long an iteration takes is not judged: the machine may do much else.

use tokio::task::JoinSet;

use crate::peer::Event;
use crate::unary::do_large_unary;
use crate::{Client, standard_case};

const WORKERS: usize = 4;
const ITERATIONS_EACH: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rpc_soak() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let client = client.clone();
            workers.spawn(async move {
                for _ in 0..ITERATIONS_EACH {
                    do_large_unary(&client).await;
                }
            });
        }
        workers.join_all().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_soak() {
    standard_case(async |go| {
        let mut server = go.serve(&["-report-connections"]).await;
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let builder = || server.builder();
            let channels: Vec<_> = std::iter::repeat_with(builder)
                .take(ITERATIONS_EACH)
                .collect();
            workers.spawn(async move {
                for builder in channels {
                    let channel = builder.connect().expect("the defaults are valid");
                    do_large_unary(&Client::new(&channel)).await;
                }
            });
        }
        workers.join_all().await;

        let (mut opened, mut closed) = (0, 0);
        while closed < WORKERS * ITERATIONS_EACH {
            match server.event().await {
                Event::Opened(_) => opened += 1,
                Event::Closed(_) => closed += 1,
                Event::Ping(..) => {}
            }
        }
        assert_eq!(
            opened, closed,
            "each channel must open one connection and close it when it is dropped"
        );
    })
    .await;
}
