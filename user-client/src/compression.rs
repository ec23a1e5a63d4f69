//! How messages are compressed, as a setting.
//!
//! What is sent and what is accepted go together: a client that may spend the time on one direction
//! may spend it on the other. Compression is off unless it is asked for, because most messages here
//! are smaller than the header that would announce it.

use serde::{Deserialize, Serialize};
use tonic::codec::CompressionEncoding;
use user_api::v1::user_service_client::UserServiceClient;

use crate::connect::Channel;

/// How messages are compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    Off,
    /// By gzip: requests are sent so, and responses may be. Every gRPC implementation knows it.
    Gzip,
    /// By zstd, in the same way: less time for the same size, where the server knows it.
    Zstd,
}

/// The text names no compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected off, gzip or zstd")]
pub struct UnknownCompression;

// === impl Compression ===

// By hand, because what serde says of an unknown variant does not list those that are known when the
// value comes through the layers of settings.
impl TryFrom<String> for Compression {
    type Error = UnknownCompression;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "off" => Ok(Self::Off),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(UnknownCompression),
        }
    }
}

impl Compression {
    /// A stub on `channel` that compresses in this way.
    ///
    /// A server that does not know the encoding answers `UNIMPLEMENTED`.
    #[must_use]
    pub fn stub(self, channel: Channel) -> UserServiceClient<Channel> {
        let stub = UserServiceClient::new(channel);
        let encoding = match self {
            Self::Off => return stub,
            Self::Gzip => CompressionEncoding::Gzip,
            Self::Zstd => CompressionEncoding::Zstd,
        };
        stub.send_compressed(encoding).accept_compressed(encoding)
    }
}
