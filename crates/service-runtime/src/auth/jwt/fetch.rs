//! One fetch of a key set that an issuer publishes: over HTTPS, bounded in time and in size.
//!
//! Every fetch makes a connection of its own and reads the authorities anew: fetches are minutes apart,
//! so that nothing is gained by keeping either, and a certificate authority that was replaced is used.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::keys::KeysError;
use super::schedule;
use crate::settings::Violations;
use crate::tls::{self, FileError};

/// How a published key set is fetched.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The authorities that are trusted (PEM). Without it they are those of the machine, which an image
    /// without a file system of its own does not have.
    pub ca: PathBuf,
    /// The set is fetched again after the `max-age` of its `Cache-Control`, but no sooner than this. It
    /// is also the longest wait after failures.
    #[serde(with = "crate::settings::duration")]
    pub interval_min: Duration,
    /// The same, but no later than this; and after this where the issuer does not say. A key that the
    /// issuer withdraws is believed for so long.
    #[serde(with = "crate::settings::duration")]
    pub interval_max: Duration,
    /// How often tokens with a `kid` that is not known may cause a fetch beside these. Anybody can send
    /// such tokens.
    #[serde(with = "crate::settings::duration")]
    pub unknown_kid_interval: Duration,
    /// How long one fetch may take, from resolving the name to the last byte.
    #[serde(with = "crate::settings::duration")]
    pub timeout: Duration,
    /// The largest set that is read, in bytes. Those of the large issuers have less than 20 KiB.
    pub max_size: usize,
    /// Whether a set may be fetched over plain HTTP from another host than this one. Whoever is in
    /// between can then issue tokens.
    pub insecure_plaintext: bool,
}

/// Fetches a set.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    pub(super) url: Url,
    pub(super) config: Config,
}

/// What an issuer answered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) text: String,
    /// For how long it says that this is fresh.
    pub(super) max_age: Option<Duration>,
}

/// Why there is no set, or no newer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// See the source.
    #[error("the authorities of the setting auth.jwt.fetch.ca cannot be used")]
    Authorities(#[source] FileError),
    /// See the source.
    #[error("this machine's own authorities cannot be used; auth.jwt.fetch.ca names others")]
    MachinesAuthorities(#[source] io::Error),
    /// See the source.
    #[error("TLS cannot be spoken")]
    Tls(#[source] rustls::Error),
    /// The issuer does not answer, or too slowly.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// See the source.
    #[error("the issuer cannot be asked")]
    Request(#[source] hyper_util::client::legacy::Error),
    /// Redirects are not followed: they could lead to plain HTTP, or into this cluster.
    #[error("the issuer answers {0}, and redirects are not followed; name their end instead")]
    Redirect(StatusCode),
    /// Another answer than 200.
    #[error("the issuer answers {0} instead of 200 OK")]
    Status(StatusCode),
    /// See `max_size`.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The answer broke off.
    #[error("the answer cannot be read to its end")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is not text.
    #[error("the answer is not UTF-8")]
    NotText,
    /// It is text, and no key set that can be used.
    #[error("the answer cannot be used")]
    Keys(#[source] KeysError),
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot; `url` is where the set is.
    pub(super) fn validate(&self, violations: &mut Violations) {
        violations.expect(
            self.interval_min >= Duration::from_secs(1),
            "interval_min",
            "at least 1s",
        );
        violations.expect(
            self.interval_max >= self.interval_min,
            "interval_max",
            "at least interval_min",
        );
        violations.expect(
            self.unknown_kid_interval >= Duration::from_secs(1),
            "unknown_kid_interval",
            "at least 1s",
        );
        let times = Duration::from_millis(1)..=Duration::from_mins(1);
        violations.expect(times.contains(&self.timeout), "timeout", "1ms to 1m");
        let sizes = 1024..=16 << 20;
        violations.expect(
            sizes.contains(&self.max_size),
            "max_size",
            "1024 to 16777216 bytes",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ca: PathBuf::new(),
            interval_min: Duration::from_mins(1),
            interval_max: Duration::from_mins(15),
            unknown_kid_interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            max_size: 1 << 20,
            insecure_plaintext: false,
        }
    }
}

/// The URL of a set, if it is one that may be fetched.
pub(super) fn accepted(url: &str, insecure_plaintext: bool) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let secure = match url.scheme() {
        "https" => true,
        "http" => loopback || insecure_plaintext,
        _ => false,
    };
    // Credentials in it would be shown with it.
    let plain = url.username().is_empty() && url.password().is_none();
    (secure && plain && url.fragment().is_none()).then_some(url)
}

// === impl Fetcher ===

impl Fetcher {
    /// Asks once. Cancel-safe.
    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let limit = self.config.timeout;
        let answer = tokio::time::timeout(limit, self.ask()).await;
        answer.unwrap_or(Err(FetchError::Timeout(limit)))
    }

    async fn ask(&self) -> Result<Fetched, FetchError> {
        let ca = self.config.ca.clone();
        let tls = tokio::task::spawn_blocking(move || client_config(&ca)).await;
        let tls = tls.map_err(|error| FetchError::Broken(error.into()))??;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = match self.url.scheme() {
            "https" => connector.https_only(),
            // Only where the settings allow it.
            _ => connector.https_or_http(),
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build::<_, Empty<Bytes>>(connector.enable_http1().wrap_connector(tcp));
        let request = Request::get(self.url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, env!("CARGO_PKG_NAME"))
            .body(Empty::new());
        let request = request.map_err(|error| FetchError::Broken(error.into()))?;
        let response = client.request(request).await.map_err(FetchError::Request)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        let max_age = schedule::max_age(response.headers());
        let most = self.config.max_size;
        let body = Limited::new(response.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLarge(most)
            } else {
                FetchError::Broken(error)
            }
        })?;
        let text = String::from_utf8(body.to_bytes().into()).map_err(|_| FetchError::NotText)?;
        Ok(Fetched { text, max_age })
    }
}

fn client_config(ca: &std::path::Path) -> Result<ClientConfig, FetchError> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(FetchError::Tls)?;
    let builder = if ca.as_os_str().is_empty() {
        builder
            .with_native_roots()
            .map_err(FetchError::MachinesAuthorities)?
    } else {
        builder.with_root_certificates(tls::roots(ca).map_err(FetchError::Authorities)?)
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_host_or_for_who_asks_for_it() {
        for (url, always, insecurely) in [
            ("https://issuer.example.com/keys", true, true),
            ("http://issuer.example.com/keys", false, true),
            ("http://127.0.0.1:8080/keys", true, true),
            ("http://[::1]/keys", true, true),
            ("http://localhost/keys", true, true),
            ("http://localhost.example.com/keys", false, true),
            ("http://127.0.0.1.example.com/keys", false, true),
            ("http://169.254.169.254/keys", false, true),
            (
                "https://name:password@issuer.example.com/keys",
                false,
                false,
            ),
            ("https://issuer.example.com/keys#one", false, false),
            ("file:///etc/keys", false, false),
            ("ftp://issuer.example.com/keys", false, false),
            ("issuer.example.com/keys", false, false),
            ("", false, false),
        ] {
            assert_eq!(accepted(url, false).is_some(), always, "{url}");
            assert_eq!(accepted(url, true).is_some(), insecurely, "{url}");
        }
    }
}
