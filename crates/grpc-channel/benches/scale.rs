//! What many addresses cost: how long until they are all known, and what each keeps in memory.
//!
//! ```text
//! cargo bench -p grpc-channel --bench scale
//! ```
//!
//! In the first table nobody listens at the addresses, so what is measured is a subchannel without its
//! connection. For the second figure one server listens on all of them, counts the connections that
//! ten thousand addresses with a subset of twenty lead to, and ends the run with an error if there are
//! more.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{Backoff, Channel, State, Stats};
use tokio::net::TcpListener;

const ADDRESSES: [u32; 3] = [100, 1_000, 10_000];

/// The wanted bounds of the largest row.
const WANTED: &str = "wanted at 10,000: 20 ms and 2 KiB";

/// How often the time is taken; the shortest is printed, since the rest is what else the machine does.
const ROUNDS: usize = 7;

/// How many of the addresses a channel with a subset uses.
const SUBSET: usize = 20;

/// A port where nobody listens.
const NOBODY: u16 = 9;

/// The addresses 127.1.0.0 and up, on one port.
struct Many {
    count: u32,
    port: u16,
}

impl Resolve for Many {
    async fn run(self, publisher: Publisher) {
        let first = u32::from(Ipv4Addr::new(127, 1, 0, 0));
        let endpoints = (0..self.count)
            .map(|n| Endpoint::new(SocketAddr::from((Ipv4Addr::from(first + n), self.port))))
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
        let (mut known, bytes) = runtime.block_on(measure(count))?;
        for _ in 1..ROUNDS {
            let runtime = tokio::runtime::Runtime::new()?;
            let (again, _) = runtime.block_on(measure(count))?;
            known = known.min(again);
        }
        println!(
            "{count:>10} {:>11.1} ms {:>18.0} B",
            known.as_secs_f64() * 1e3,
            bytes
        );
    }
    println!("{WANTED}");
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(connect_to_a_subset(ADDRESSES[2]))
}

async fn connect_to_a_subset(count: u32) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let port = listener.local_addr()?.port();
    let accepted = Arc::<AtomicUsize>::default();
    tokio::spawn(serve(listener, accepted.clone()));
    let start = Instant::now();
    let channel = Channel::builder("dns:///many:9")
        .subset(SUBSET)
        .connect_with(Many { count, port })?;
    let ready = || {
        let stats = channel.stats();
        let ready = stats.subchannels.iter().filter(|s| s.state == State::Ready);
        ready.count()
    };
    until(|| (ready() == SUBSET).then_some(())).await?;
    let took = start.elapsed();
    // What would connect beyond the subset has had as long again to do so.
    tokio::time::sleep(took.max(Duration::from_millis(100))).await;
    let connections = accepted.load(Ordering::SeqCst);
    println!(
        "{count} addresses with a subset of {SUBSET}: {connections} connections at the server, all READY after {:.1} ms",
        took.as_secs_f64() * 1e3
    );
    if connections == SUBSET {
        Ok(())
    } else {
        Err(format!("expected {SUBSET} connections").into())
    }
}

/// Keeps every connection open.
async fn serve(listener: TcpListener, accepted: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            if let Ok(mut connection) = h2::server::handshake(stream).await {
                while let Some(Ok(_)) = connection.accept().await {}
            }
        });
    }
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
        .connect_with(Many {
            count,
            port: NOBODY,
        })?;
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
