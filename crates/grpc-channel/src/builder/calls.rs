//! The settings of a channel that are about its calls.

use std::fmt;
use std::sync::Arc;

use super::Builder;
use crate::call::{AttemptsPolicy, Buffer, HedgingPolicy, RetryPolicy};
use crate::credentials::{CallCredentials, Credentials};
use crate::error::Error;
use crate::service_config::{ServiceConfig, ServiceConfigError};

/// How calls are sent, and sent again.
pub(super) struct Calls {
    retry: Option<RetryPolicy>,
    hedging: Option<HedgingPolicy>,
    buffer_per_call: usize,
    buffer_per_channel: usize,
    credentials: Option<Arc<dyn CallCredentials>>,
    credentials_over_plaintext: bool,
    pub(super) service_config: Result<ServiceConfig, ServiceConfigError>,
}

// === impl Calls ===

impl Default for Calls {
    fn default() -> Self {
        /// gRPC's defaults.
        const PER_CALL: usize = 256 << 10;
        const PER_CHANNEL: usize = 16 << 20;
        Self {
            retry: Some(RetryPolicy::default()),
            hedging: None,
            buffer_per_call: PER_CALL,
            buffer_per_channel: PER_CHANNEL,
            credentials: None,
            credentials_over_plaintext: false,
            service_config: Ok(ServiceConfig::default()),
        }
    }
}

impl Calls {
    pub(super) fn check(&self) -> Result<(), Error> {
        let attempts = 2..=5;
        if let Some(retry) = &self.retry
            && !(attempts.contains(&retry.max_attempts) && retry.backoff_multiplier > 0.0)
        {
            let expected = "max_attempts from 2 to 5 and backoff_multiplier > 0";
            return Err(Error::setting("retry", expected));
        }
        if let Some(hedging) = &self.hedging
            && !attempts.contains(&hedging.max_attempts)
        {
            return Err(Error::setting("hedging", "max_attempts from 2 to 5"));
        }
        Ok(())
    }

    /// What idempotent methods get that the service config says nothing about.
    pub(super) fn attempts(&self) -> Option<AttemptsPolicy> {
        let hedging = self.hedging.clone().map(AttemptsPolicy::Hedging);
        hedging.or_else(|| self.retry.clone().map(AttemptsPolicy::Retry))
    }

    pub(super) fn buffer(&self) -> Buffer {
        Buffer::new(self.buffer_per_call, self.buffer_per_channel)
    }

    /// `secure` tells whether every connection of the channel keeps what is sent secret.
    pub(super) fn credentials(&self, secure: bool) -> Option<Credentials> {
        let may_be_sent = secure || self.credentials_over_plaintext;
        let source = self.credentials.clone()?;
        Some(Credentials::new(source, may_be_sent))
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("retry", &self.retry)
            .field("hedging", &self.hedging)
            .field("buffer_per_call", &self.buffer_per_call)
            .field("buffer_per_channel", &self.buffer_per_channel)
            .field("has_credentials", &self.credentials.is_some())
            .field(
                "credentials_over_plaintext",
                &self.credentials_over_plaintext,
            )
            .field("service_config", &self.service_config)
            .finish()
    }
}

// === impl Builder ===

impl Builder {
    /// How idempotent calls are retried; `None` never does. Default: [`RetryPolicy::default`].
    ///
    /// A `retryPolicy` or `hedgingPolicy` in the [service config](Self::service_config) holds instead
    /// for the methods that it names, and so does [`hedging`](Self::hedging) for all of them.
    pub fn retry(mut self, policy: impl Into<Option<RetryPolicy>>) -> Self {
        self.calls.retry = policy.into();
        self
    }

    /// How idempotent calls are hedged, instead of being retried; `None` does not hedge them.
    /// Default: `None`.
    pub fn hedging(mut self, policy: impl Into<Option<HedgingPolicy>>) -> Self {
        self.calls.hedging = policy.into();
        self
    }

    /// How many bytes of requests may be kept so that they can be sent again: by one call, and by all
    /// calls of the channel together. A call that exceeds either is committed, which means that it
    /// goes on and is not sent again (gRFC [A6]). Default: 256 KiB and 16 MiB, which are gRPC's.
    ///
    /// [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    pub fn retry_buffer(mut self, per_call: usize, per_channel: usize) -> Self {
        self.calls.buffer_per_call = per_call;
        self.calls.buffer_per_channel = per_channel;
        self
    }

    /// What calls are authenticated by; see [`credentials`](crate::credentials). They are added to
    /// every attempt of every call.
    ///
    /// A channel without TLS does not send them: its calls fail with UNAUTHENTICATED, unless
    /// [`allow_credentials_over_plaintext_insecurely`](Self::allow_credentials_over_plaintext_insecurely)
    /// is set.
    pub fn credentials(mut self, credentials: impl CallCredentials) -> Self {
        self.calls.credentials = Some(Arc::new(credentials));
        self
    }

    /// Sends credentials also where everybody on the way can read and reuse them. It is for tests on
    /// one machine, and for a mesh whose sidecars encrypt what the channel sends them in the clear.
    pub fn allow_credentials_over_plaintext_insecurely(mut self) -> Self {
        self.calls.credentials_over_plaintext = true;
        self
    }

    /// What the owner of the service asks of its clients, as gRPC's [service config] in JSON.
    ///
    /// Of a `methodConfig` these are read: `name` (the entry for a method comes before the one for
    /// its service, and that before the one for all), `timeout` (the shorter of it and the caller's
    /// holds, and is sent as `grpc-timeout`), `waitForReady` (a caller's own
    /// [`WaitForReady`](crate::WaitForReady) comes first), `maxRequestMessageBytes` and
    /// `maxResponseMessageBytes` (as sent, so after compression; larger ones end the call with
    /// `RESOURCE_EXHAUSTED`), and `retryPolicy` or `hedgingPolicy` (gRFC [A6]), which hold whether or
    /// not the method is known to be idempotent: that is for the author of the config to know.
    /// `retryThrottling` holds for the channel as a whole. `loadBalancingConfig` (and the older
    /// `loadBalancingPolicy`) replaces [`policy`](Self::policy),
    /// [`outlier_detection`](Self::outlier_detection) and [`subset`](Self::subset), and
    /// `healthCheckConfig` replaces [`health_check`](Self::health_check).
    ///
    /// Fields that are not known are ignored, as the specification says. A bad value is an error of
    /// [`connect`](Self::connect), which names the place in the JSON.
    ///
    /// ```
    /// # use grpc_channel::Channel;
    /// let builder = Channel::builder("dns:///echo:50051").service_config(
    ///     r#"{
    ///         "methodConfig": [{
    ///             "name": [{"service": "echo.v1.EchoService"}],
    ///             "timeout": "2s",
    ///             "retryPolicy": {
    ///                 "maxAttempts": 3,
    ///                 "initialBackoff": "0.1s",
    ///                 "maxBackoff": "1s",
    ///                 "backoffMultiplier": 2,
    ///                 "retryableStatusCodes": ["UNAVAILABLE"]
    ///             }
    ///         }],
    ///         "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
    ///     }"#,
    /// );
    /// ```
    ///
    /// [service config]: https://github.com/grpc/grpc/blob/master/doc/service_config.md
    /// [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    pub fn service_config(mut self, json: &str) -> Self {
        self.calls.service_config = ServiceConfig::parse(json);
        self
    }
}
