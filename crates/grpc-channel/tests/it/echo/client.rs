//! The client of the echo service: one method for each kind of call.

use std::time::Duration;

use futures_util::stream::Stream;
use grpc_channel::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{MAX_MESSAGE, Message, Method, message};

/// A client on one channel.
#[derive(Clone)]
pub(crate) struct Client(tonic::client::Grpc<Channel>);

// === impl Client ===

impl Client {
    pub(crate) fn new(channel: &Channel) -> Self {
        let grpc = tonic::client::Grpc::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Self(grpc)
    }

    /// Refuses to send larger messages.
    pub(crate) fn max_request(self, bytes: usize) -> Self {
        Self(self.0.max_encoding_message_size(bytes))
    }

    /// A unary call with a payload of its own.
    pub(crate) async fn call(&self, method: Method) -> Result<Response<Message>, Status> {
        self.unary(method, Request::new(message("hello"))).await
    }

    /// A unary call that has so much time.
    pub(crate) async fn call_within(
        &self,
        method: Method,
        timeout: Duration,
    ) -> Result<Response<Message>, Status> {
        let mut request = Request::new(message("hello"));
        request.set_timeout(timeout);
        self.unary(method, request).await
    }

    pub(crate) async fn unary(
        &self,
        method: Method,
        request: Request<Message>,
    ) -> Result<Response<Message>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await?;
        grpc.unary(request, method.path(), ProstCodec::default())
            .await
    }

    pub(crate) async fn watch(
        &self,
        request: Request<Message>,
    ) -> Result<Response<Streaming<Message>>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await?;
        grpc.server_streaming(request, Method::Watch.path(), ProstCodec::default())
            .await
    }

    pub(crate) async fn import(
        &self,
        messages: impl Stream<Item = Message> + Send + 'static,
    ) -> Result<Response<Message>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await?;
        let request = Request::new(messages);
        grpc.client_streaming(request, Method::Import.path(), ProstCodec::default())
            .await
    }

    pub(crate) async fn chat(
        &self,
        messages: impl Stream<Item = Message> + Send + 'static,
    ) -> Result<Response<Streaming<Message>>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await?;
        let request = Request::new(messages);
        grpc.streaming(request, Method::Chat.path(), ProstCodec::default())
            .await
    }
}
