//! Certificates that are replaced again and again under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use service_runtime::tls::server::Mode;
use tokio_util::sync::CancellationToken;

use super::certificates::{Authority, Validity};
use super::client::{certificate_of, connect, trusting};
use super::files::Folder;
use crate::subject::{asking, soon, start};

const ROTATIONS: usize = 20;
const WORKERS: usize = 4;
/// How many calls a connection carries before the worker makes a new one.
const CALLS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn rotation_under_load_fails_no_call_and_is_seen_by_the_next_connection() {
    let authority = Authority::named("a");
    let folder = Folder::new();
    folder.swap("0", &authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let address = server.local_address();
    let own = authority.client(Validity::Current);
    let config = Arc::new(trusting(&authority, Some(&own)));

    let (stop, answered) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (config, stop, answered) = (config.clone(), stop.clone(), answered.clone());
            tokio::spawn(async move {
                // One connection for all the time, and many short ones.
                let mut lasting = connect(address, config.clone()).await;
                while !stop.is_cancelled() {
                    let mut client = connect(address, config.clone()).await;
                    for _ in 0..CALLS {
                        client.check(asking("")).await.expect("no call may fail");
                        lasting.check(asking("")).await.expect("no call may fail");
                        answered.fetch_add(2, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();

    for rotation in 1..=ROTATIONS {
        let identity = authority.server();
        let before = answered.load(Ordering::Relaxed);
        folder.swap(&rotation.to_string(), &identity, &authority);
        soon("the newest certificate", async {
            while certificate_of(address, config.clone()).await != *identity.der() {}
            // Calls went on meanwhile.
            while answered.load(Ordering::Relaxed) == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    stop.cancel();
    for worker in workers {
        soon("the worker's end", worker).await.unwrap();
    }
    let answered = answered.load(Ordering::Relaxed);
    println!("{answered} calls, {ROTATIONS} rotations, no failed call");
}
