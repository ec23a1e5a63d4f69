//! gRPC's [service config]: what the owner of a service asks of every client of it, as JSON.
//!
//! Fields that are not known are ignored, as the specification says, so that one config can serve
//! clients of different ages. A field that is known and has a bad value is an error that tells its
//! place; half of a config is never used.
//!
//! [service config]: https://github.com/grpc/grpc/blob/master/doc/service_config.md

mod balancing;
mod json;
mod methods;

use serde_json::Value;

pub(crate) use self::balancing::Balancing;
use self::json::At;
pub(crate) use self::json::Unexpected;
pub(crate) use self::methods::{Method, Methods};
use crate::call::Throttling;

/// A service config that has been read and found valid.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceConfig {
    /// What the config says about load balancing, if it says anything.
    pub(crate) balancing: Option<Balancing>,
    pub(crate) methods: Methods,
    pub(crate) throttling: Option<Throttling>,
    /// The service whose health is watched; the empty name is the server as a whole.
    pub(crate) health_service: Option<String>,
}

/// Why a text is no service config.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceConfigError {
    #[error("the service config is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("the service config is not valid")]
    Value(#[from] Unexpected),
}

// === impl ServiceConfig ===

impl ServiceConfig {
    pub(crate) fn parse(text: &str) -> Result<Self, ServiceConfigError> {
        let value: Value = serde_json::from_str(text)?;
        Ok(read(&At::root(&value))?)
    }
}

fn read(root: &At<'_>) -> Result<ServiceConfig, Unexpected> {
    let health = root.field("healthCheckConfig")?;
    let health_service = match &health {
        None => None,
        Some(config) => config.read("serviceName", At::str)?.map(str::to_owned),
    };
    Ok(ServiceConfig {
        balancing: balancing::read(root)?,
        methods: methods::read(root)?,
        throttling: root.read("retryThrottling", throttling)?,
        health_service,
    })
}

fn throttling(at: &At<'_>) -> Result<Throttling, Unexpected> {
    let max_tokens = at.required("maxTokens", |at| match at.u32() {
        Ok(tokens @ 1..=1_000) => Ok(tokens),
        _ => Err(at.expected("a whole number from 1 to 1000")),
    })?;
    let token_ratio_millis = at.required("tokenRatio", |at| {
        // The specification counts three decimals and no more.
        let millis = (at.positive()? * 1_000.0).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked on the same line"
        )]
        let millis = (1.0..=1e9).contains(&millis).then_some(millis as u32);
        millis.ok_or_else(|| at.expected("a number from 0.001 on"))
    })?;
    Ok(Throttling {
        max_tokens,
        token_ratio_millis,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn error(text: &str) -> String {
        let error = ServiceConfig::parse(text).unwrap_err();
        format!("{error}: {}", error.source().unwrap())
    }

    #[test]
    fn an_empty_config_says_nothing() {
        let config = ServiceConfig::parse("{}").unwrap();
        assert!(config.balancing.is_none() && config.throttling.is_none());
    }

    #[test]
    fn unknown_fields_are_ignored() {
        ServiceConfig::parse(r#"{"somethingNew": {"a": 1}, "retryThrottling": null}"#).unwrap();
    }

    #[test]
    fn throttling_has_bounds() {
        let config =
            ServiceConfig::parse(r#"{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}"#);
        let expected = Throttling {
            max_tokens: 10,
            token_ratio_millis: 100,
        };
        assert_eq!(config.unwrap().throttling, Some(expected));
        for (text, place) in [
            (
                r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#,
                "retryThrottling.maxTokens",
            ),
            (
                r#"{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}"#,
                "retryThrottling.maxTokens",
            ),
            (
                r#"{"retryThrottling": {"maxTokens": 1, "tokenRatio": 0}}"#,
                "retryThrottling.tokenRatio",
            ),
            (
                r#"{"retryThrottling": {"maxTokens": 1}}"#,
                "retryThrottling.tokenRatio",
            ),
            (r#"{"retryThrottling": 5}"#, "retryThrottling"),
        ] {
            assert!(error(text).contains(place), "{text}: {}", error(text));
        }
    }

    #[test]
    fn what_is_not_json_or_no_object_is_an_error() {
        assert!(error("{").starts_with("the service config is not JSON"));
        assert!(error("[]").ends_with("$: expected an object"));
    }

    #[test]
    fn the_health_check_names_a_service() {
        let config = ServiceConfig::parse(r#"{"healthCheckConfig": {"serviceName": ""}}"#).unwrap();
        assert_eq!(config.health_service.as_deref(), Some(""));
        assert!(
            error(r#"{"healthCheckConfig": {"serviceName": 1}}"#)
                .contains("healthCheckConfig.serviceName")
        );
    }
}
