//! Where telemetry is sent, as the settings of each signal say it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::settings::{Secret, Violations};

/// Who takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exporter {
    /// Nobody; what would be sent is not even made.
    #[default]
    None,
    /// An OpenTelemetry Collector, or whatever else speaks OTLP.
    Otlp,
}

/// Where it is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The collector: `http://HOST:PORT` or `https://HOST:PORT`. The usual ports are 4317 for gRPC and
    /// 4318 for HTTP, where `/v1/traces`, `/v1/metrics` or `/v1/logs` is added.
    pub endpoint: String,
    /// `"grpc"` or `"http/protobuf"`.
    pub protocol: Protocol,
    /// What the collector asks for: `name=value`, separated by commas. A secret.
    pub headers: Secret,
    /// The authorities that a collector's certificate is checked by (PEM). Without it they are those of
    /// the machine, which an image without a file system of its own does not have.
    pub ca: PathBuf,
    /// How long one batch may take, sent again where that can help.
    #[serde(with = "crate::settings::duration")]
    pub timeout: Duration,
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Protocol {
    /// As calls of gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// As requests of HTTP with a protobuf body.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

// === impl Otlp ===

impl Otlp {
    pub(in crate::telemetry) fn validate(&self, violations: &mut Violations) {
        let url = Url::parse(&self.endpoint);
        let fits = url.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                // Credentials in it would be shown with it.
                && url.username().is_empty()
                && url.password().is_none()
        });
        violations.expect(
            fits,
            "endpoint",
            "http://HOST:PORT or https://HOST:PORT, without credentials",
        );
        violations.expect(
            super::headers(self.headers.expose()).is_some(),
            "headers",
            "NAME=VALUE of a header, or several separated by commas",
        );
        let times = Duration::from_millis(1)..=Duration::from_mins(1);
        violations.expect(times.contains(&self.timeout), "timeout", "1ms to 1m");
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4317".to_owned(),
            protocol: Protocol::Grpc,
            headers: Secret::default(),
            ca: PathBuf::new(),
            timeout: Duration::from_secs(10),
        }
    }
}
