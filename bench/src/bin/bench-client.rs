//! One kind of client against the addresses that it is given, and what a call cost it.
//!
//! ```text
//! bench-client grpc-channel|tonic|tonic-balance CALLERS SECONDS ADDRESS...
//! ```
//!
//! Prints `CALLS CPU_MICROSECONDS FAILED`, of what is left after one second of warming up.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bench_peers::v1::GetRequest;
use bench_peers::v1::records_client::RecordsClient;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::transport::{Channel, Endpoint};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "expected grpc-channel|tonic|tonic-balance CALLERS SECONDS ADDRESS...";

type Failure = Box<dyn Error + Send + Sync>;

/// What the callers count.
#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    failed: AtomicU64,
    over: AtomicBool,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or(USAGE)?;
    let callers = arguments.next().ok_or(USAGE)?.parse()?;
    let seconds = arguments.next().ok_or(USAGE)?.parse()?;
    let addresses: Vec<String> = arguments.collect();
    let first = addresses.first().ok_or(USAGE)?;
    let endpoint = |address: &String| Endpoint::from_shared(format!("http://{address}"));
    match kind.as_str() {
        "grpc-channel" => {
            let target = format!("ipv4:{}", addresses.join(","));
            let channel = grpc_channel::Channel::builder(target).connect()?;
            drive(channel, callers, seconds).await
        }
        "tonic" => drive(endpoint(first)?.connect().await?, callers, seconds).await,
        "tonic-balance" => {
            let endpoints: Result<Vec<_>, _> = addresses.iter().map(endpoint).collect();
            let channel = Channel::balance_list(endpoints?.into_iter());
            drive(channel, callers, seconds).await
        }
        _ => Err(USAGE.into()),
    }
}

async fn drive<C>(channel: C, callers: u32, seconds: u64) -> Result<(), Failure>
where
    C: GrpcService<Body> + Clone + Send + 'static,
    C::Future: Send,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut client = RecordsClient::new(channel.clone());
        let tally = tally.clone();
        tasks.spawn(async move {
            while !tally.over.load(Ordering::Relaxed) {
                let request = GetRequest {
                    id: "0198e2f4-7c1d-7b2a-9d3e-5f6a7b8c9d0e".to_owned(),
                };
                match client.get(request).await {
                    Ok(_) => tally.calls.fetch_add(1, Ordering::Relaxed),
                    Err(_) => tally.failed.fetch_add(1, Ordering::Relaxed),
                };
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = tally.calls.load(Ordering::Relaxed);
    let failed = tally.failed.load(Ordering::Relaxed);
    let before = cpu_time()?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = cpu_time()?.saturating_sub(before);
    let calls = tally.calls.load(Ordering::Relaxed) - calls;
    let failed = tally.failed.load(Ordering::Relaxed) - failed;
    println!("{calls} {} {failed}", spent.as_micros());
    tally.over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    Ok(())
}

/// The CPU time that this process has used, to the kernel's 10 ms.
fn cpu_time() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The command's name stands in parentheses and may hold anything; utime and stime are fields 14
    // and 15 of all, and so 12 and 13 after it.
    let after = stat
        .rsplit_once(')')
        .ok_or("no command in /proc/self/stat")?
        .1;
    let ticks = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let ticks: Result<Vec<_>, _> = ticks.collect();
    Ok(Duration::from_millis(ticks?.iter().sum::<u64>() * 10))
}
