//! How messages are compressed, as a setting.
//!
//! Off unless it is asked for: most messages here are smaller than what compression saves, and it costs
//! the server time that callers decide about. What arrives compressed is bounded by the limit of a
//! message after it was unpacked, so that a small one cannot become a large one.

use serde::{Deserialize, Serialize};
use tonic::codec::CompressionEncoding;
use user_api::v1::user_service_server::UserServiceServer;

/// Which encodings are accepted, and used for callers that accept them as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// None. A compressed request is UNIMPLEMENTED, as gRPC's compression document says.
    #[default]
    Off,
    /// gzip, which every implementation of gRPC knows.
    Gzip,
    /// zstd: less time for the same size.
    Zstd,
    /// Both; zstd where the caller accepts it.
    Any,
}

// === impl Compression ===

impl Compression {
    /// Makes a service compress in this way.
    #[must_use]
    pub fn apply<T>(self, service: UserServiceServer<T>) -> UserServiceServer<T> {
        let encodings: &[CompressionEncoding] = match self {
            Self::Off => &[],
            Self::Gzip => &[CompressionEncoding::Gzip],
            Self::Zstd => &[CompressionEncoding::Zstd],
            Self::Any => &[CompressionEncoding::Zstd, CompressionEncoding::Gzip],
        };
        encodings.iter().fold(service, |service, encoding| {
            service
                .accept_compressed(*encoding)
                .send_compressed(*encoding)
        })
    }
}
