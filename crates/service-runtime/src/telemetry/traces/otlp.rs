//! The exporter that speaks OTLP, made of its settings.

use std::io;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::ConfigBuilderExt as _;
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use rustls::ClientConfig;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig};

use super::config::{Otlp, Protocol};
use super::http::Http;
use crate::tls::{self, FileError};

/// Where an endpoint takes spans over HTTP.
const PATH: &str = "/v1/traces";

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// See the source.
    #[error("the authorities of the setting telemetry.traces.otlp.ca cannot be used")]
    Authorities(#[source] FileError),
    /// See the source.
    #[error("the file of the setting telemetry.traces.otlp.ca cannot be read")]
    Unreadable(#[source] io::Error),
    /// See the source.
    #[error("this machine's own authorities cannot be used; telemetry.traces.otlp.ca names others")]
    MachinesAuthorities(#[source] io::Error),
    /// See the source.
    #[error("TLS cannot be spoken")]
    Tls(#[source] rustls::Error),
    /// The text is not repeated: it is a secret.
    #[error("telemetry.traces.otlp.headers is not a list of NAME=VALUE")]
    Headers,
    /// See the source.
    #[error("the settings under telemetry.traces.otlp cannot be used")]
    Build(#[source] ExporterBuildError),
}

/// The exporter. Nothing is connected before the first batch.
pub(super) fn exporter(config: &Otlp) -> Result<SpanExporter, ExporterError> {
    let headers = headers(config.headers.expose()).ok_or(ExporterError::Headers)?;
    let exporter = match config.protocol {
        Protocol::Grpc => {
            let builder = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&config.endpoint)
                .with_timeout(config.timeout)
                .with_metadata(MetadataMap::from_headers(headers));
            if is_https(config) {
                builder.with_tls_config(grpc_tls(config)?).build()
            } else {
                builder.build()
            }
        }
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_http_client(Http::new(http_tls(config)?))
            .with_endpoint(format!("{}{PATH}", config.endpoint.trim_end_matches('/')))
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout(config.timeout)
            .with_headers(
                headers
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((name.to_string(), value.to_str().ok()?.to_owned()))
                    })
                    .collect(),
            )
            .build(),
    };
    exporter.map_err(ExporterError::Build)
}

/// `NAME=VALUE,NAME=VALUE`, if it is that.
pub(super) fn headers(text: &str) -> Option<HeaderMap> {
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

fn grpc_tls(config: &Otlp) -> Result<ClientTlsConfig, ExporterError> {
    let tls = ClientTlsConfig::new();
    if config.ca.as_os_str().is_empty() {
        return Ok(tls.with_native_roots());
    }
    // tonic looks into it only when it connects, and does not say which file is wrong.
    tls::roots(&config.ca).map_err(ExporterError::Authorities)?;
    let pem = std::fs::read(&config.ca).map_err(ExporterError::Unreadable)?;
    Ok(tls.ca_certificate(Certificate::from_pem(pem)))
}

fn http_tls(config: &Otlp) -> Result<ClientConfig, ExporterError> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(ExporterError::Tls)?;
    let ca = &config.ca;
    let builder = if !is_https(config) {
        // Nobody is asked for a certificate.
        builder.with_root_certificates(rustls::RootCertStore::empty())
    } else if ca.as_os_str().is_empty() {
        let builder = builder.with_native_roots();
        builder.map_err(ExporterError::MachinesAuthorities)?
    } else {
        builder.with_root_certificates(tls::roots(ca).map_err(ExporterError::Authorities)?)
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
