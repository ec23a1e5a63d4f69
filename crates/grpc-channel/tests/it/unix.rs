//! Unix sockets.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tonic::Code;

use crate::bounded;
use crate::echo::{Behaviour, Client, Method, served_by};
use crate::replica::builder;

/// Answers every connection to a path.
async fn serve(listener: UnixListener, behaviour: Arc<Behaviour>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let behaviour = behaviour.clone();
        let service = service_fn(move |request| {
            let behaviour = behaviour.clone();
            async move { Ok::<_, std::convert::Infallible>(behaviour.serve(request).await) }
        });
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_reaches_a_unix_socket_and_calls_it_localhost() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.sock");
        let behaviour = Behaviour::new("local".to_owned());
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(serve(listener, behaviour.clone()));
        for target in [
            format!("unix:{}", path.display()),
            format!("unix://{}", path.display()),
        ] {
            let channel = builder(target).connect().unwrap();
            let response = Client::new(&channel).call(Method::Add).await.unwrap();
            assert_eq!(served_by(&response), "local");
            let address = channel.stats().subchannels[0].address.to_string();
            assert_eq!(address, format!("unix:{}", path.display()));
        }
        assert_eq!(behaviour.seen()[0].authority, "localhost");
        server.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_where_nobody_listens_is_told() {
    bounded(async {
        let channel = builder("unix:/nowhere/echo.sock").connect().unwrap();
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let said = status.message();
        assert!(
            said.contains("unix:/nowhere/echo.sock No such file"),
            "{said}"
        );
    })
    .await;
}
