//! What many addresses cost: how long until they are all known, and what each keeps in memory.
//!
//! ```text
//! cargo bench -p grpc-channel --bench scale
//! ```
//!
//! Nobody listens at the addresses, so what is measured is a subchannel without its connection.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{Backoff, Channel, Stats};

const ADDRESSES: [u32; 3] = [100, 1_000, 10_000];

/// The wanted bounds of the largest row.
const WANTED: &str = "wanted at 10,000: 20 ms and 2 KiB";

/// The addresses 127.1.0.0 and up, on a port where nobody listens.
struct Many(u32);

impl Resolve for Many {
    async fn run(self, publisher: Publisher) {
        let first = u32::from(Ipv4Addr::new(127, 1, 0, 0));
        let endpoints = (0..self.0)
            .map(|n| Endpoint::new(SocketAddr::from((Ipv4Addr::from(first + n), 9))))
            .collect();
        publisher.publish(Ok(endpoints)).await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:>10} {:>14} {:>22}",
        "addresses", "all known", "memory per subchannel"
    );
    for count in ADDRESSES {
        let runtime = tokio::runtime::Runtime::new()?;
        let (known, bytes) = runtime.block_on(measure(count))?;
        println!(
            "{count:>10} {:>11.1} ms {:>18.0} B",
            known.as_secs_f64() * 1e3,
            bytes
        );
    }
    println!("{WANTED}");
    Ok(())
}

async fn measure(count: u32) -> Result<(Duration, f64), Box<dyn Error>> {
    let before = resident()?;
    let start = Instant::now();
    let channel = Channel::builder("dns:///many:9")
        // After its first attempt a subchannel only waits.
        .backoff(Backoff {
            base: Duration::from_mins(10),
            max: Duration::from_mins(10),
            ..Backoff::default()
        })
        .connect_with(Many(count))?;
    let all = usize::try_from(count)?;
    until(|| (channel.stats().subchannels.len() == all).then_some(())).await?;
    let known = start.elapsed();
    until(|| tried(&channel.stats()).then_some(())).await?;
    let bytes = resident()?.saturating_sub(before);
    Ok((known, f64::from(u32::try_from(bytes)?) / f64::from(count)))
}

fn tried(stats: &Stats) -> bool {
    let mut subchannels = stats.subchannels.iter();
    subchannels.all(|subchannel| subchannel.last_disconnect.is_some())
}

async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> Result<T, Box<dyn Error>> {
    let give_up = Instant::now() + Duration::from_mins(1);
    while Instant::now() < give_up {
        if let Some(value) = condition() {
            return Ok(value);
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Err("the condition did not hold within a minute".into())
}

/// The memory that is really there, from `/proc/self/statm`.
fn resident() -> Result<u64, Box<dyn Error>> {
    const PAGE: u64 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm")
        .map_err(|error| format!("this benchmark needs Linux's /proc: {error}"))?;
    let pages = statm
        .split_whitespace()
        .nth(1)
        .ok_or("no resident size in statm")?;
    Ok(pages.parse::<u64>()? * PAGE)
}
