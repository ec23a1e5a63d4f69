//! What a unary call costs the client, beside tonic's own channels in the same run.
//!
//! ```text
//! cargo bench -p grpc-channel --bench call
//! ```
//!
//! A child process serves grpc.health.v1 on three loopback addresses. Each row makes the same calls,
//! the rows take turns, and the figure is this process's own CPU time per call, because wall time on a shared machine says little. Ratios are what is quoted.

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::transport::{Channel as TonicChannel, Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const PORT: u16 = 50171;
const REPLICAS: u8 = 3;
const ROUNDS: usize = 5;
const CALLS: u32 = 60_000;
const CALLERS: [u32; 3] = [1, 10, 100];

/// What is compared; the first is what the others are divided by.
const ROWS: [(&str, Row); 4] = [
    ("tonic Channel, 1 address", Row::Tonic),
    ("tonic balance_list, 3 addresses", Row::TonicBalance),
    ("grpc-channel, 1 address", Row::Ours(1)),
    ("grpc-channel, 3 addresses", Row::Ours(3)),
];

#[derive(Clone, Copy)]
enum Row {
    Tonic,
    TonicBalance,
    Ours(u8),
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|arg| arg == "--serve") {
        return serve();
    }
    let mut server = Command::new(std::env::current_exe()?)
        .arg("--serve")
        .stdin(Stdio::piped())
        .spawn()?;
    let measured = tokio::runtime::Runtime::new()?.block_on(compare());
    // The child ends with its standard input.
    drop(server.stdin.take());
    server.wait()?;
    measured
}

async fn compare() -> Result<(), Box<dyn Error>> {
    println!(
        "{CALLS} unary calls per cell, median of {ROUNDS} interleaved rounds, client CPU per call"
    );
    for callers in CALLERS {
        let mut figures = vec![Vec::new(); ROWS.len()];
        for _ in 0..ROUNDS {
            for (place, (_, row)) in ROWS.iter().enumerate() {
                figures[place].push(measure(*row, callers).await?);
            }
        }
        println!("\n{callers} concurrent callers");
        let medians: Vec<f64> = figures.into_iter().map(median).collect();
        for ((name, _), cost) in ROWS.iter().zip(&medians) {
            println!("  {name:<34} {cost:>6.1} µs   {:>4.2}", cost / medians[0]);
        }
    }
    Ok(())
}

async fn measure(row: Row, callers: u32) -> Result<f64, Box<dyn Error>> {
    let endpoint = |n| Endpoint::from_shared(format!("http://{}", address(n)));
    match row {
        Row::Tonic => {
            let channel = endpoint(1)?
                .connect_timeout(Duration::from_secs(5))
                .connect_lazy();
            drive(channel, callers).await
        }
        Row::TonicBalance => {
            let endpoints: Result<Vec<_>, _> = (1..=REPLICAS).map(endpoint).collect();
            drive(TonicChannel::balance_list(endpoints?.into_iter()), callers).await
        }
        Row::Ours(replicas) => {
            let addresses: Vec<_> = (1..=replicas).map(|n| address(n).to_string()).collect();
            let target = format!("ipv4:{}", addresses.join(","));
            drive(grpc_channel::Channel::builder(target).connect()?, callers).await
        }
    }
}

/// Makes the calls and returns what one cost, in microseconds of CPU time.
async fn drive<C>(channel: C, callers: u32) -> Result<f64, Box<dyn Error>>
where
    C: GrpcService<Body> + Clone + Send + 'static,
    C::Future: Send,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    warm_up(HealthClient::new(channel.clone())).await?;
    let before = cpu_time()?;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut client = HealthClient::new(channel.clone());
        tasks.spawn(async move {
            for _ in 0..CALLS / callers {
                client.check(HealthCheckRequest::default()).await?;
            }
            Ok::<_, tonic::Status>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let spent = cpu_time()?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(CALLS))
}

/// Waits until the server answers, and until the connections are made.
async fn warm_up<C>(mut client: HealthClient<C>) -> Result<(), Box<dyn Error>>
where
    C: GrpcService<Body>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let give_up = Instant::now() + Duration::from_secs(10);
    let mut answered = 0;
    while answered < 300 {
        match client.check(HealthCheckRequest::default()).await {
            Ok(_) => answered += 1,
            Err(status) if Instant::now() > give_up => return Err(status.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The CPU time that this process has used, to the kernel's 10 ms.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")
        .map_err(|error| format!("this benchmark needs Linux's /proc: {error}"))?;
    // The command's name stands in parentheses and may hold anything; utime and stime are fields 14
    // and 15 of all, and so 12 and 13 after it.
    let after = stat
        .rsplit_once(')')
        .ok_or("no command in /proc/self/stat")?
        .1;
    let mut ticks = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let mut next = || ticks.next().ok_or("too few fields in /proc/self/stat");
    let sum = next()?? + next()??;
    Ok(Duration::from_millis(sum * 10))
}

fn address(replica: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, replica], PORT))
}

/// The child process: three servers until standard input ends.
fn serve() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut servers = JoinSet::new();
        for replica in 1..=REPLICAS {
            let (_, health) = tonic_health::server::health_reporter();
            servers.spawn(
                Server::builder()
                    .add_service(health)
                    .serve(address(replica)),
            );
        }
        tokio::select! {
            Some(ended) = servers.join_next() => Ok(ended??),
            read = async { tokio::io::stdin().read(&mut [0]).await } => Ok(read.map(drop)?),
        }
    })
}
