//! The exporters that speak OTLP, made of their settings: one for each signal, and all alike.

mod config;
mod http;

use std::io;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::ConfigBuilderExt as _;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use rustls::ClientConfig;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig};

pub use self::config::{Exporter, Otlp, Protocol};
use self::http::Http;
use super::signal::Signal;
use crate::tls::{self, FileError};

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// See the source.
    #[error("the authorities of the setting telemetry.{0}.otlp.ca cannot be used")]
    Authorities(Signal, #[source] FileError),
    /// See the source.
    #[error("the file of the setting telemetry.{0}.otlp.ca cannot be read")]
    Unreadable(Signal, #[source] io::Error),
    /// See the source.
    #[error("this machine's own authorities cannot be used; telemetry.{0}.otlp.ca names others")]
    MachinesAuthorities(Signal, #[source] io::Error),
    /// See the source.
    #[error("TLS cannot be spoken")]
    Tls(#[source] rustls::Error),
    /// The text is not repeated: it is a secret.
    #[error("telemetry.{0}.otlp.headers is not a list of NAME=VALUE")]
    Headers(Signal),
    /// See the source.
    #[error("the settings under telemetry.{0}.otlp cannot be used")]
    Build(Signal, #[source] ExporterBuildError),
}

/// An exporter of spans. Nothing is connected before the first batch; that holds for all of them.
pub(super) fn spans(config: &Otlp) -> Result<SpanExporter, ExporterError> {
    let (signal, builder) = (Signal::Traces, SpanExporter::builder());
    let exporter = match config.protocol {
        Protocol::Grpc => over_grpc(builder.with_tonic(), signal, config)?.build(),
        Protocol::HttpProtobuf => over_http(builder.with_http(), signal, config)?.build(),
    };
    exporter.map_err(|error| ExporterError::Build(signal, error))
}

/// An exporter of metrics.
pub(super) fn metrics(config: &Otlp) -> Result<MetricExporter, ExporterError> {
    let (signal, builder) = (Signal::Metrics, MetricExporter::builder());
    let exporter = match config.protocol {
        Protocol::Grpc => over_grpc(builder.with_tonic(), signal, config)?.build(),
        Protocol::HttpProtobuf => over_http(builder.with_http(), signal, config)?.build(),
    };
    exporter.map_err(|error| ExporterError::Build(signal, error))
}

/// An exporter of log records.
pub(super) fn logs(config: &Otlp) -> Result<LogExporter, ExporterError> {
    let (signal, builder) = (Signal::Logs, LogExporter::builder());
    let exporter = match config.protocol {
        Protocol::Grpc => over_grpc(builder.with_tonic(), signal, config)?.build(),
        Protocol::HttpProtobuf => over_http(builder.with_http(), signal, config)?.build(),
    };
    exporter.map_err(|error| ExporterError::Build(signal, error))
}

fn over_grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    signal: Signal,
    config: &Otlp,
) -> Result<B, ExporterError> {
    let headers = headers(config.headers.expose()).ok_or(ExporterError::Headers(signal))?;
    let builder = builder
        .with_endpoint(&config.endpoint)
        .with_timeout(config.timeout)
        .with_metadata(MetadataMap::from_headers(headers));
    if is_https(config) {
        Ok(builder.with_tls_config(grpc_tls(signal, config)?))
    } else {
        Ok(builder)
    }
}

fn over_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    signal: Signal,
    config: &Otlp,
) -> Result<B, ExporterError> {
    let headers = headers(config.headers.expose()).ok_or(ExporterError::Headers(signal))?;
    let pairs = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let endpoint = config.endpoint.trim_end_matches('/');
    Ok(builder
        .with_http_client(Http::new(http_tls(signal, config)?))
        .with_endpoint(format!("{endpoint}/v1/{signal}"))
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_timeout(config.timeout)
        .with_headers(pairs.collect()))
}

/// `NAME=VALUE,NAME=VALUE`, if it is that.
fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().to_ascii_lowercase().parse().ok()?;
        let mut value: HeaderValue = value.trim().parse().ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

fn is_https(config: &Otlp) -> bool {
    config.endpoint.starts_with("https:")
}

fn grpc_tls(signal: Signal, config: &Otlp) -> Result<ClientTlsConfig, ExporterError> {
    let tls = ClientTlsConfig::new();
    if config.ca.as_os_str().is_empty() {
        return Ok(tls.with_native_roots());
    }
    // tonic looks into it only when it connects, and does not say which file is wrong.
    tls::roots(&config.ca).map_err(|error| ExporterError::Authorities(signal, error))?;
    let pem =
        std::fs::read(&config.ca).map_err(|error| ExporterError::Unreadable(signal, error))?;
    Ok(tls.ca_certificate(Certificate::from_pem(pem)))
}

fn http_tls(signal: Signal, config: &Otlp) -> Result<ClientConfig, ExporterError> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(ExporterError::Tls)?;
    let ca = &config.ca;
    let builder = if !is_https(config) {
        // Nobody is asked for a certificate.
        builder.with_root_certificates(rustls::RootCertStore::empty())
    } else if ca.as_os_str().is_empty() {
        let builder = builder.with_native_roots();
        builder.map_err(|error| ExporterError::MachinesAuthorities(signal, error))?
    } else {
        let roots = tls::roots(ca).map_err(|error| ExporterError::Authorities(signal, error))?;
        builder.with_root_certificates(roots)
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_their_values_are_secrets() {
        let read = headers("Authorization=Bearer a=b, x-tenant = one").unwrap();
        assert_eq!(read["authorization"], "Bearer a=b");
        assert_eq!(read["x-tenant"], "one");
        assert!(read["authorization"].is_sensitive());
        assert!(headers("").unwrap().is_empty());
        for wrong in ["authorization", "a b=c", "=x", "a=\u{7f}"] {
            assert!(headers(wrong).is_none(), "{wrong:?}");
        }
    }
}
