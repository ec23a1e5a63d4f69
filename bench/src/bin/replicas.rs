//! One channel over many replicas: how long until it calls, what a call and an update cost, and its memory.
//!
//! ```text
//! replicas PORT COUNT SUBSET CALLS_ALONE CALLS_BUSY CALLERS
//! ```
//!
//! The replicas are the addresses 127.1.0.0 and up, at all of which one server listens that is bound to
//! 0.0.0.0:PORT. SUBSET is 0 for a connection to each. Prints a figure per line: its name, and its value.
//! The allocator is the platform's, as in `user-client`. `cargo bench -p grpc-channel --bench scale` tells of
//! addresses where nobody listens.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bench_peers::v1::GetRequest;
use bench_peers::v1::records_client::RecordsClient;
use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{Channel, State};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

const USAGE: &str = "expected PORT COUNT SUBSET CALLS_ALONE CALLS_BUSY CALLERS";

/// How long all replicas may take to be READY.
const BOUND: Duration = Duration::from_mins(1);

/// How often the addresses are changed; the median is printed.
const UPDATES: u32 = 9;

/// What has been freed is given back meanwhile, and what connections still say to each other is said.
const REST: Duration = Duration::from_millis(300);

type Failure = Box<dyn Error + Send + Sync>;
type Client = RecordsClient<Channel>;

/// Publishes what it is given, and says how long it took until the channel had used it.
struct Told(mpsc::Receiver<(Vec<Endpoint>, oneshot::Sender<Duration>)>);

impl Resolve for Told {
    async fn run(mut self, publisher: Publisher) {
        while let Some((endpoints, answer)) = self.0.recv().await {
            let start = Instant::now();
            publisher.publish(Ok(endpoints)).await;
            // There is one thread: whoever was woken has had its turn when this one has it again.
            tokio::task::yield_now().await;
            // The caller may have given up.
            let _ = answer.send(start.elapsed());
        }
    }
}

/// The replicas of one server.
struct Replicas {
    port: u16,
    count: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let numbers: Result<Vec<u32>, _> = std::env::args().skip(1).map(|it| it.parse()).collect();
    let [port, count, subset, alone, busy, callers] = numbers?[..] else {
        return Err(USAGE.into());
    };
    let port = port.try_into()?;
    let replicas = Replicas { port, count };
    let used = if subset == 0 { count } else { subset };
    warm_up(port).await?;

    let (tell, told) = mpsc::channel(1);
    let endpoints = replicas.endpoints(0);
    let (memory, start, before) = (resident()?, Instant::now(), cpu_micros());
    let builder = Channel::builder("dns:///replicas:50051");
    let builder = match subset {
        0 => builder,
        some => builder.subset(some.try_into()?),
    };
    let channel = builder.connect_with(Told(told))?;
    let (answer, _) = oneshot::channel();
    tell.send((endpoints, answer)).await?;
    let client = RecordsClient::new(channel.clone());
    ask(client.clone()).await?;
    print("first_call_us", micros(start.elapsed()));
    until_ready(&channel, used).await?;
    print("all_ready_us", micros(start.elapsed()));
    print("connect_cpu_us", cpu_micros() - before);

    call(&client, used, 16).await?;
    tokio::time::sleep(REST).await;
    let grown = resident()?.saturating_sub(memory);
    print("bytes", f64::from(u32::try_from(grown)?));

    for (name, calls, callers) in [("alone_us", alone, 1), ("busy_us", busy, callers)] {
        let spent = call(&client, calls, callers).await?;
        print(name, spent / f64::from(calls));
    }
    update(&channel, &replicas, used, &tell).await
}

/// What is made once, by the first channel of a process, is not what a replica costs.
async fn warm_up(port: u16) -> Result<(), Failure> {
    let channel = Channel::builder(format!("ipv4:127.0.0.1:{port}")).connect()?;
    call(&RecordsClient::new(channel), 2_000, 16).await?;
    tokio::time::sleep(REST).await;
    Ok(())
}

/// Exchanges one address again and again.
async fn update(
    channel: &Channel,
    replicas: &Replicas,
    used: u32,
    tell: &mpsc::Sender<(Vec<Endpoint>, oneshot::Sender<Duration>)>,
) -> Result<(), Failure> {
    let (mut times, mut costs) = (Vec::new(), Vec::new());
    for number in 1..=UPDATES {
        let endpoints = replicas.endpoints(number);
        let before = cpu_micros();
        let (answer, took) = oneshot::channel();
        tell.send((endpoints, answer)).await?;
        times.push(micros(took.await?));
        // Meanwhile the new one is connected and gets its place in the picker.
        tokio::time::sleep(REST).await;
        costs.push(cpu_micros() - before);
        until_ready(channel, used).await?;
    }
    for (name, mut figures) in [("update_us", times), ("update_cpu_us", costs)] {
        figures.sort_by(f64::total_cmp);
        print(name, figures[figures.len() / 2]);
    }
    Ok(())
}

/// Makes the calls, and returns the processor time that all of them took, in microseconds.
async fn call(client: &Client, calls: u32, callers: u32) -> Result<f64, Failure> {
    let before = cpu_micros();
    let taken = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (client, taken) = (client.clone(), taken.clone());
        tasks.spawn(async move {
            while taken.fetch_add(1, Ordering::Relaxed) < calls {
                ask(client.clone()).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(cpu_micros() - before)
}

async fn ask(mut client: Client) -> Result<(), Failure> {
    let id = "0198e2f4-7c1d-7b2a-9d3e-5f6a7b8c9d0e".to_owned();
    let response = client.get(GetRequest { id }).await?.into_inner();
    response.record.map(drop).ok_or_else(|| "no record".into())
}

/// Looks seldom, because to look at ten thousand costs milliseconds.
async fn until_ready(channel: &Channel, count: u32) -> Result<(), Failure> {
    let give_up = Instant::now() + BOUND;
    while Instant::now() < give_up {
        let stats = channel.stats();
        let ready = stats
            .subchannels
            .iter()
            .filter(|it| it.state == State::Ready);
        if ready.count() == usize::try_from(count)? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(u64::from(count.max(100)) * 5)).await;
    }
    Err(format!("{count} replicas were not READY within {BOUND:?}").into())
}

fn print(name: &str, value: f64) {
    println!("{name} {value:.3}");
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The processor time that this process has used, in microseconds.
fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Neither is ever negative.
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    micros(Duration::new(time.tv_sec.unsigned_abs(), nanoseconds))
}

/// What it holds of the machine's memory.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("no VmRSS")?.parse::<u64>()? << 10)
}

// === impl Replicas ===

impl Replicas {
    /// As many as there are, of which the first so many are others than at the beginning.
    fn endpoints(&self, exchanged: u32) -> Vec<Endpoint> {
        let first = u32::from(Ipv4Addr::new(127, 1, 0, 0)) + exchanged;
        let address = |n| SocketAddr::from((Ipv4Addr::from(first + n), self.port));
        (0..self.count).map(|n| Endpoint::new(address(n))).collect()
    }
}
