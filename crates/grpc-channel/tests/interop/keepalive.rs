//! A server that thinks it is pinged too often.

use std::collections::BTreeMap;
use std::time::Duration;

use grpc_channel::Keepalive;

use crate::peer::Event;
use crate::{Client, interop};

/// How many connections the server ends.
const CONNECTIONS: u64 = 3;

/// grpc-go's default policy allows one ping in 5 minutes, bears two more and then sends
/// `too_many_pings`; a client must double its keepalive time and go on (gRFC A8).
#[tokio::test]
async fn too_many_pings_double_the_keepalive_time_and_calls_go_on() {
    interop(async |go| {
        let time = Duration::from_millis(50);
        let keepalive = Keepalive {
            time,
            timeout: Duration::from_secs(10),
            without_calls: true,
        };
        let mut server = go.serve(&["-report-connections"]).await;
        let channel = server.builder().keepalive(keepalive).connect().unwrap();
        let client = Client::new(&channel);

        let mut pings = BTreeMap::<u64, Vec<Duration>>::new();
        loop {
            match server.event().await {
                Event::Opened(_) => {}
                Event::Ping(connection, at) => pings.entry(connection).or_default().push(at),
                Event::Closed(connection) => {
                    let response = client.empty_call().await;
                    response.expect("calls must go on after too_many_pings");
                    if connection == CONNECTIONS {
                        break;
                    }
                }
            }
        }
        for connection in 1..=CONNECTIONS {
            let pings = &pings[&connection];
            assert!(
                pings.len() > 3,
                "connection {connection} must have ended for its pings: {pings:?}"
            );
            let expected = time * (1 << (connection - 1));
            for pair in pings.windows(2) {
                assert!(
                    pair[0] + expected <= pair[1],
                    "connection {connection} must not be pinged before {expected:?}: {pings:?}"
                );
            }
        }
    })
    .await;
}
