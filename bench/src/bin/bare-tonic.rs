//! tonic as its documentation sets it up, and nothing else: what every other server is divided by.
//!
//! ```text
//! bare-tonic ADDRESS [multi-thread|per-core]
//! ```
//!
//! `multi-thread` is tokio's default. `per-core` is one current-thread runtime for each core, each
//! with a listener of its own on the same port (`SO_REUSEPORT`).

use std::error::Error;
use std::net::SocketAddr;

use bench_peers::record;
use bench_peers::v1::records_server::{Records, RecordsServer};
use bench_peers::v1::{GetRequest, GetResponse};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio_stream::StreamExt as _;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Subject;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "expected ADDRESS [multi-thread|per-core]";
    let address: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    match arguments.next().as_deref() {
        None | Some("multi-thread") => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(serve(address)),
        Some("per-core") => per_core(address),
        Some(_) => Err(usage.into()),
    }
}

fn per_core(address: SocketAddr) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let one = move || {
        Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(serve(address))
    };
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(one)).collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

async fn serve(address: SocketAddr) -> Result<(), Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    let connections = TcpIncoming::from(socket.listen(1024)?).with_nodelay(Some(true));
    Server::builder()
        .add_service(RecordsServer::new(Subject))
        .serve_with_incoming(connections)
        .await?;
    Ok(())
}

// === impl Subject ===

#[tonic::async_trait]
impl Records for Subject {
    type LookupStream = BoxStream<GetResponse>;

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let record = record(request.into_inner().id);
        Ok(Response::new(GetResponse {
            record: Some(record),
        }))
    }

    async fn lookup(
        &self,
        request: Request<Streaming<GetRequest>>,
    ) -> Result<Response<Self::LookupStream>, Status> {
        let answers = request.into_inner().map(|question| {
            Ok(GetResponse {
                record: Some(record(question?.id)),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
