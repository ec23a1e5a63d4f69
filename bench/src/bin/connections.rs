//! Many connections to one server, and calls that go over them in turn: the load of `cargo xtask bench scale`.
//!
//! ```text
//! connections ADDRESS PATH BODY_FILE COUNT [TOKEN]
//! ```
//!
//! It opens the connections, makes one call on each and prints `COUNT FAILED`. Then each line `CALLS CALLERS`
//! of its standard input is so many calls by so many callers at the same time, and is answered with
//! `CALLS FAILED`; the end of the input is the end of the connections. On h2 itself, because what loads has
//! one core for ten thousand connections.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Method, Request};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "expected ADDRESS PATH BODY_FILE COUNT [TOKEN]";

/// How many connections are made at the same time; the listener's queue holds more.
const CONNECTING: usize = 64;

/// One address has 28,000 ports to connect from, and the closed connections of earlier rounds hold some.
const SOURCES: u32 = 50;

/// A record has more bytes than this.
const MESSAGE: usize = 50;

type Failure = Box<dyn Error + Send + Sync>;

/// What every call sends.
struct Question {
    head: Request<()>,
    body: Bytes,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let address: SocketAddr = next()?.parse()?;
    let path = next()?;
    let body = std::fs::read(next()?)?.into();
    let count: u32 = next()?.parse()?;
    let head = head(&format!("http://{address}{path}"), arguments.next())?;
    let question = Arc::new(Question { head, body });

    let connections = connect(address, count).await?;
    let connections: Arc<[_]> = connections.into();
    // A few at the same time only save time.
    let failed = call(&question, &connections, count, 16).await;
    println!("{count} {failed}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (calls, callers) = line.split_once(' ').ok_or("expected CALLS CALLERS")?;
        let calls = calls.parse()?;
        let failed = call(&question, &connections, calls, callers.parse()?).await;
        println!("{calls} {failed}");
    }
    Ok(())
}

fn head(uri: &str, token: Option<String>) -> Result<Request<()>, Failure> {
    let mut head = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(())?;
    if let Some(token) = token {
        // Not marked as sensitive: most clients of gRPC let HPACK remember it.
        let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        head.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(head)
}

/// Opens the connections, from several addresses.
async fn connect(address: SocketAddr, count: u32) -> Result<Vec<SendRequest<Bytes>>, Failure> {
    let turns = Arc::new(Semaphore::new(CONNECTING));
    let mut connecting = JoinSet::new();
    for number in 0..count {
        let turns = turns.clone();
        connecting.spawn(async move {
            let _turn = turns.acquire().await?;
            let socket = TcpSocket::new_v4()?;
            let source = u32::from(Ipv4Addr::new(127, 0, 1, 1)) + (number % SOURCES);
            socket.bind((Ipv4Addr::from(source), 0).into())?;
            let stream = socket.connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = client::handshake(stream).await?;
            // Its end is also the end of every call on it, which is counted.
            tokio::spawn(connection);
            Ok::<_, Failure>(sender)
        });
    }
    let mut connections = Vec::new();
    while let Some(connected) = connecting.join_next().await {
        connections.push(connected??);
    }
    Ok(connections)
}

/// Makes the calls, each on the next connection, and returns how many failed.
async fn call(
    question: &Arc<Question>,
    connections: &Arc<[SendRequest<Bytes>]>,
    calls: u32,
    callers: u32,
) -> u32 {
    let taken = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (question, connections) = (question.clone(), connections.clone());
        let taken = taken.clone();
        tasks.spawn(async move {
            let mut failed = 0;
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return failed;
                }
                let place = number as usize % connections.len();
                if let Err(error) = ask(&question, &connections[place]).await {
                    eprintln!("call {number}: {error}");
                    failed += 1;
                }
            }
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// One call; an error unless a record came back.
async fn ask(question: &Question, connection: &SendRequest<Bytes>) -> Result<(), Failure> {
    let mut connection = connection.clone().ready().await?;
    let (response, mut body) = connection.send_request(question.head.clone(), false)?;
    body.send_data(question.body.clone(), true)?;
    let mut response = response.await?.into_body();
    let mut received = 0;
    while let Some(data) = response.data().await {
        let data = data?;
        received += data.len();
        response.flow_control().release_capacity(data.len())?;
    }
    let trailers = response.trailers().await?;
    let ok = |trailers: &HeaderMap| trailers.get("grpc-status").is_some_and(|it| it == "0");
    if trailers.as_ref().is_some_and(ok) && received > MESSAGE {
        return Ok(());
    }
    Err(format!("{received} bytes and {trailers:?}").into())
}
