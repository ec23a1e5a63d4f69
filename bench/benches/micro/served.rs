//! A service behind the server's own listener, called over HTTP/2 by a thread of this process.
//!
//! Only the thread of the server is counted. There is one call at a time, so that it takes turns with the
//! caller, and how many calls share a turn is no matter of chance.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Version};
use service_runtime::server::{Config, Running, Serve};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::handler::{Answers, REQUEST};
use crate::issuer::{Algorithm, Issuer};
use crate::parts::{self, ALL, Kept, PATH};
use crate::subject::headers;
use crate::{CALLS, WARM_UP};

/// A server that waits for its calls, and the caller that waits to be let go.
pub struct Served {
    begin: oneshot::Sender<()>,
    end: oneshot::Receiver<()>,
    runtime: Runtime,
    _running: Running,
    _kept: Option<Kept>,
    _caller: JoinHandle<()>,
}

/// The handler by itself.
pub fn bare() -> Served {
    prepared(|_| (Answers, None))
}

/// The handler in layers with all parts.
pub fn layered() -> Served {
    prepared(|issuer| {
        let (service, kept) = parts::around(&ALL, issuer);
        (service, Some(kept))
    })
}

fn prepared<S: Serve>(service: impl FnOnce(&Issuer) -> (S, Option<Kept>)) -> Served {
    let runtime = new_runtime();
    let entered = runtime.enter();
    let issuer = Issuer::new();
    let (service, kept) = service(&issuer);
    let config = Config {
        address: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let running = config.bind().expect("there is a free port").serve(service);
    drop(entered);
    let address = running.local_address();
    let token = issuer.token(Algorithm::Hs256, 0);
    let (warm, is_warm) = oneshot::channel();
    let (begin, may_begin) = oneshot::channel();
    let (ended, end) = oneshot::channel();
    let caller = std::thread::spawn(move || {
        new_runtime().block_on(async {
            let mut client = connect(address).await;
            call(&mut client, &token, WARM_UP).await;
            warm.send(()).expect("it is waited for");
            may_begin.await.expect("it is said");
            call(&mut client, &token, CALLS).await;
            ended.send(()).expect("it is waited for");
        });
    });
    runtime.block_on(is_warm).expect("the caller is well");
    Served {
        begin,
        end,
        runtime,
        _running: running,
        _kept: kept,
        _caller: caller,
    }
}

fn new_runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is room for a runtime")
}

async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("it is TCP");
    let (client, connection) = h2::client::handshake(stream).await.expect("it is HTTP/2");
    tokio::spawn(connection);
    client
}

/// One call after the other.
async fn call(client: &mut SendRequest<Bytes>, token: &str, calls: u32) {
    for _ in 0..calls {
        let mut request = Request::post(format!("http://bench{PATH}"))
            .version(Version::HTTP_2)
            .body(())
            .expect("the URI is one");
        *request.headers_mut() = headers(token);
        let (response, mut body) = client
            .send_request(request, false)
            .expect("the connection lives");
        body.send_data(Bytes::from_static(REQUEST), true)
            .expect("the window is open");
        let mut answer = response.await.expect("it is answered").into_body();
        while let Some(data) = answer.data().await {
            let data = data.expect("it is not cut off");
            let _ = answer.flow_control().release_capacity(data.len());
        }
        let trailers = answer.trailers().await.expect("it is not cut off");
        let status = trailers.as_ref().and_then(|it| it.get("grpc-status"));
        assert_eq!(status.map(AsRef::as_ref), Some(&b"0"[..]));
    }
}

// === impl Served ===

impl Served {
    /// Serves the calls.
    pub fn serve_all(mut self) -> Self {
        let begin = std::mem::replace(&mut self.begin, oneshot::channel().0);
        begin.send(()).expect("the caller is well");
        self.runtime
            .block_on(&mut self.end)
            .expect("the caller is well");
        self
    }
}
