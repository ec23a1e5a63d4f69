//! What every command that calls the service shares: the stub, the deadline and the output.

use std::time::Duration;

use serde::Serialize;
use service_runtime::telemetry::Telemetry;
use service_runtime::telemetry::traces::Traces;
use tonic::{Request, Status};
use user_api::v1::User;
use user_api::v1::user_service_client::UserServiceClient;

use crate::compression::Compression;
use crate::connect::{Channel, connect_observed};
use crate::error::Error;
use crate::output::{self, Format, Resource};
use crate::settings::Settings;

/// An open channel and how to use it.
pub(super) struct Session {
    pub(super) client: UserServiceClient<Channel>,
    pub(super) channel: Channel,
    pub(super) timeout: Duration,
    pub(super) format: Format,
    pub(super) compression: Compression,
    target: String,
}

// === impl Session ===

impl Session {
    /// Opens the channel; nothing is sent yet.
    pub(super) async fn open(
        settings: Settings,
        traces: &Traces,
        telemetry: Option<&Telemetry>,
        format: Format,
    ) -> Result<Self, Error> {
        let channel = connect_observed(&settings, traces, telemetry).await;
        let channel = channel.map_err(|source| Error::Channel {
            target: settings.target.clone(),
            source,
        })?;
        Ok(Self {
            client: settings.compression.stub(channel.clone()),
            compression: settings.compression,
            channel,
            timeout: settings.timeout,
            format,
            target: settings.target,
        })
    }

    /// A request with the deadline of this session, sent along as `grpc-timeout`.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// The error of a call of `method` that ended with `status`.
    pub(super) fn failed(&self, method: &'static str, status: Status) -> Error {
        Error::Call {
            method,
            target: self.target.clone(),
            source: Box::new(status),
        }
    }

    /// Writes the resource that a call of `method` answered with, which must be there.
    pub(super) fn print_resource(
        &self,
        method: &'static str,
        answered: Option<User>,
    ) -> Result<(), Error> {
        let resource = answered.ok_or(Error::Response {
            method,
            field: "user",
        })?;
        self.print(&Resource::from(&resource), Resource::text)
    }

    /// Writes a result: `text` for people, or the document as one line of JSON.
    pub(super) fn print<D: Serialize>(
        &self,
        document: &D,
        text: impl FnOnce(&D) -> String,
    ) -> Result<(), Error> {
        output::print(self.format, document, text)
    }
}
