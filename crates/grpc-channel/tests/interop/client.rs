//! The stub of `grpc.testing.TestService`, as tonic would generate it.

use futures_util::Stream;
use futures_util::stream::unfold;
use grpc_channel::Channel;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::messages::{
    SERVICE, SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};

/// The metadata that names the server in every response.
const SERVED_BY: &str = "x-served-by";

/// A client on one channel.
#[derive(Clone, Debug)]
pub(crate) struct Client(Channel);

/// A response with its two kinds of metadata apart, which [`Response`] merges.
#[derive(Debug)]
pub(crate) struct Parts<M> {
    pub(crate) header: MetadataMap,
    pub(crate) message: M,
    pub(crate) trailer: MetadataMap,
}

/// A bidirectional call, from the caller's end. Dropping `requests` half-closes it.
#[derive(Debug)]
pub(crate) struct Duplex {
    pub(crate) requests: mpsc::UnboundedSender<StreamingOutputCallRequest>,
    pub(crate) responses: Streaming<StreamingOutputCallResponse>,
}

/// A stream of requests that its sender decides about.
pub(crate) fn requests<M: Send>() -> (mpsc::UnboundedSender<M>, impl Stream<Item = M> + Send) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = unfold(receiver, async |mut receiver| {
        let message = receiver.recv().await?;
        Some((message, receiver))
    });
    (sender, stream)
}

/// Which server has answered.
pub(crate) fn served_by<M>(response: &Response<M>) -> String {
    let replica = response.metadata().get(SERVED_BY);
    let replica = replica.expect("the Go program names itself in every response");
    replica.to_str().expect("an address is ASCII").to_owned()
}

fn path(service: &str, method: &str) -> PathAndQuery {
    let path = format!("/{service}/{method}");
    path.parse().expect("names make a path")
}

// === impl Client ===

impl Client {
    pub(crate) fn new(channel: &Channel) -> Self {
        Self(channel.clone())
    }

    /// Idempotent, as [`descriptors`](crate::messages::descriptors) say.
    pub(crate) async fn empty_call(&self) -> Result<Response<()>, Status> {
        self.unary(SERVICE, "EmptyCall", Request::new(())).await
    }

    pub(crate) async fn unary_call(
        &self,
        request: SimpleRequest,
    ) -> Result<Response<SimpleResponse>, Status> {
        self.unary(SERVICE, "UnaryCall", Request::new(request))
            .await
    }

    /// The same call, on the wire as any other.
    pub(crate) async fn unary_call_in_parts(
        &self,
        request: Request<SimpleRequest>,
    ) -> Result<Parts<SimpleResponse>, Status> {
        let path = path(SERVICE, "UnaryCall");
        let response = self
            .grpc()
            .server_streaming(request, path, ProstCodec::default())
            .await?;
        let (header, mut messages, _) = response.into_parts();
        let message = messages.message().await?;
        assert_eq!(
            messages.message().await?,
            None,
            "a unary call has one response"
        );
        Ok(Parts {
            header,
            message: message.expect("a call that ends with OK has a response"),
            trailer: messages.trailers().await?.unwrap_or_default(),
        })
    }

    pub(crate) async fn unimplemented_call(&self, service: &str) -> Result<Response<()>, Status> {
        self.unary(service, "UnimplementedCall", Request::new(()))
            .await
    }

    pub(crate) async fn streaming_input_call(
        &self,
        request: Request<impl Stream<Item = StreamingInputCallRequest> + Send + 'static>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let path = path(SERVICE, "StreamingInputCall");
        self.grpc()
            .client_streaming(request, path, ProstCodec::default())
            .await
    }

    pub(crate) async fn streaming_output_call(
        &self,
        request: StreamingOutputCallRequest,
    ) -> Result<Response<Streaming<StreamingOutputCallResponse>>, Status> {
        let path = path(SERVICE, "StreamingOutputCall");
        self.grpc()
            .server_streaming(Request::new(request), path, ProstCodec::default())
            .await
    }

    pub(crate) async fn full_duplex_call(
        &self,
        request: Request<impl Stream<Item = StreamingOutputCallRequest> + Send + 'static>,
    ) -> Result<Response<Streaming<StreamingOutputCallResponse>>, Status> {
        let path = path(SERVICE, "FullDuplexCall");
        self.grpc()
            .streaming(request, path, ProstCodec::default())
            .await
    }

    async fn unary<Q, A>(
        &self,
        service: &str,
        method: &str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.grpc()
            .unary(request, path(service, method), ProstCodec::default())
            .await
    }

    /// The channel is always ready, so nothing waits for it to be.
    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.0.clone())
    }
}

// === impl Duplex ===

impl Duplex {
    /// Begins a call with this message: a server need not send its header before it has something to
    /// say, and grpc-go does not.
    pub(crate) async fn start(
        client: &Client,
        first: StreamingOutputCallRequest,
    ) -> Result<Self, Status> {
        let (sender, stream) = requests();
        sender.send(first).expect("the stream is there");
        let response = client.full_duplex_call(Request::new(stream)).await?;
        Ok(Self {
            requests: sender,
            responses: response.into_inner(),
        })
    }

    pub(crate) fn send(&self, request: StreamingOutputCallRequest) {
        self.requests
            .send(request)
            .expect("the call must not end before its requests");
    }
}
