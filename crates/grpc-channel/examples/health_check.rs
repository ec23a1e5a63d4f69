//! Asks every replica behind a name whether it is well, a hundred times, and shows how the calls
//! were spread:
//!
//! ```text
//! cargo run -p grpc-channel --example health_check -- ipv4:127.0.0.1:50051,127.0.0.2:50051
//! ```

use grpc_channel::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args()
        .nth(1)
        .unwrap_or("dns:///localhost:50051".to_owned());
    let channel = Channel::builder(target).connect()?;
    let mut health = HealthClient::new(channel.clone());
    for _ in 0..100 {
        health.check(HealthCheckRequest::default()).await?;
    }
    for subchannel in channel.stats().subchannels {
        println!(
            "{}: {} calls",
            subchannel.address, subchannel.calls_succeeded
        );
    }
    Ok(())
}
