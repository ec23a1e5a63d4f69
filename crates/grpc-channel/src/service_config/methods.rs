//! `methodConfig`: time-outs, waiting, retries and hedging, method by method.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use super::json::{At, Unexpected};
use crate::call::{AttemptsPolicy, HedgingPolicy, RetryPolicy};

/// The most attempts that gRFC A6 allows; a larger number is taken as this one.
const MOST_ATTEMPTS: u32 = 5;

/// The settings of every method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Methods {
    /// By `/service/method`, by `/service/`, and by the empty string for all others.
    by_name: HashMap<Box<str>, Arc<Method>>,
}

/// The settings of one method.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Method {
    pub(crate) wait_for_ready: Option<bool>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_request_bytes: Option<u32>,
    pub(crate) max_response_bytes: Option<u32>,
    pub(crate) attempts: Option<AttemptsPolicy>,
}

// === impl Methods ===

impl Methods {
    /// The settings for a path such as `/package.Service/Method`: those of the method, else those of
    /// the service, else those of all.
    pub(crate) fn get(&self, path: &str) -> Option<&Arc<Method>> {
        if self.by_name.is_empty() {
            return None;
        }
        let service = path.rfind('/').map_or("", |end| &path[..=end]);
        let mut names = [path, service, ""].into_iter();
        names.find_map(|name| self.by_name.get(name))
    }
}

pub(super) fn read(root: &At<'_>) -> Result<Methods, Unexpected> {
    let mut methods = Methods::default();
    for config in root.read("methodConfig", At::items)?.unwrap_or_default() {
        let method = Arc::new(method(&config)?);
        for name in config.read("name", At::items)?.unwrap_or_default() {
            let key = key(&name)?;
            if methods.by_name.insert(key.into(), method.clone()).is_some() {
                return Err(name.expected("a name that no other entry has"));
            }
        }
    }
    Ok(methods)
}

fn key(name: &At<'_>) -> Result<String, Unexpected> {
    let service = name.read("service", At::str)?.unwrap_or_default();
    let method = name.read("method", At::str)?.unwrap_or_default();
    match (service, method) {
        ("", "") => Ok(String::new()),
        ("", _) => Err(name.expected("a service beside the method")),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

fn method(at: &At<'_>) -> Result<Method, Unexpected> {
    let retry = at.read("retryPolicy", retry)?;
    let hedging = at.read("hedgingPolicy", hedging)?;
    let attempts = match (retry, hedging) {
        (Some(_), Some(_)) => return Err(at.expected("a retryPolicy or a hedgingPolicy, not both")),
        (Some(retry), None) => Some(AttemptsPolicy::Retry(retry)),
        (None, Some(hedging)) => Some(AttemptsPolicy::Hedging(hedging)),
        (None, None) => None,
    };
    Ok(Method {
        wait_for_ready: at.read("waitForReady", At::bool)?,
        timeout: at.read("timeout", At::duration)?,
        max_request_bytes: at.read("maxRequestMessageBytes", At::u32)?,
        max_response_bytes: at.read("maxResponseMessageBytes", At::u32)?,
        attempts,
    })
}

fn retry(at: &At<'_>) -> Result<RetryPolicy, Unexpected> {
    Ok(RetryPolicy {
        max_attempts: at.required("maxAttempts", attempts)?,
        initial_backoff: at.required("initialBackoff", At::positive_duration)?,
        max_backoff: at.required("maxBackoff", At::positive_duration)?,
        backoff_multiplier: at.required("backoffMultiplier", At::positive)?,
        retryable_codes: at.required("retryableStatusCodes", |at| match codes(at)? {
            codes if codes.is_empty() => Err(at.expected("one code at least")),
            codes => Ok(codes),
        })?,
    })
}

fn hedging(at: &At<'_>) -> Result<HedgingPolicy, Unexpected> {
    Ok(HedgingPolicy {
        max_attempts: at.required("maxAttempts", attempts)?,
        hedging_delay: at.read("hedgingDelay", At::duration)?.unwrap_or_default(),
        non_fatal_codes: at.read("nonFatalStatusCodes", codes)?.unwrap_or_default(),
    })
}

fn attempts(at: &At<'_>) -> Result<u32, Unexpected> {
    match at.u32() {
        Ok(attempts) if attempts >= 2 => Ok(attempts.min(MOST_ATTEMPTS)),
        _ => Err(at.expected("a whole number from 2 on")),
    }
}

fn codes(at: &At<'_>) -> Result<Vec<Code>, Unexpected> {
    at.items()?.iter().map(At::code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn methods(config: &Value) -> Result<Methods, String> {
        read(&At::root(config)).map_err(|error| error.to_string())
    }

    /// The methods of a config with one entry, for `s`, that has these fields.
    fn method(mut fields: Value) -> Result<Method, String> {
        fields["name"] = json!([{"service": "s"}]);
        let methods = methods(&json!({"methodConfig": [fields]}))?;
        Ok(methods.get("/s/m").unwrap().as_ref().clone())
    }

    fn retry_policy() -> Value {
        json!({
            "maxAttempts": 3,
            "initialBackoff": "0.1s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", 10],
        })
    }

    #[test]
    fn the_entry_of_the_method_comes_before_its_services_and_that_before_the_one_for_all() {
        let methods = methods(&json!({"methodConfig": [
            {"name": [{}], "timeout": "1s"},
            {"name": [{"service": "p.S"}, {"service": "p.T"}], "timeout": "2s"},
            {"name": [{"service": "p.S", "method": "M"}], "timeout": "3s"},
        ]}))
        .unwrap();
        for (path, seconds) in [
            ("/p.S/M", 3),
            ("/p.S/N", 2),
            ("/p.T/M", 2),
            ("/p.U/M", 1),
            ("/p.S", 1),
            ("", 1),
        ] {
            let timeout = methods.get(path).unwrap().timeout;
            assert_eq!(timeout, Some(Duration::from_secs(seconds)), "{path:?}");
        }
    }

    #[test]
    fn a_method_that_no_entry_names_has_no_settings() {
        let config = json!({"methodConfig": [{"name": [{"service": "p.S"}]}, {"timeout": "1s"}]});
        assert!(methods(&config).unwrap().get("/p.T/M").is_none());
        assert!(methods(&json!({})).unwrap().get("/p.S/M").is_none());
    }

    #[test]
    fn every_field_is_read() {
        let fields = json!({
            "waitForReady": true,
            "timeout": "1.5s",
            "maxRequestMessageBytes": "1024",
            "maxResponseMessageBytes": 2048,
            "retryPolicy": retry_policy(),
            "somethingNew": [],
        });
        let expected = Method {
            wait_for_ready: Some(true),
            timeout: Some(Duration::from_millis(1_500)),
            max_request_bytes: Some(1_024),
            max_response_bytes: Some(2_048),
            attempts: Some(AttemptsPolicy::Retry(RetryPolicy {
                max_attempts: 3,
                initial_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                backoff_multiplier: 2.0,
                retryable_codes: vec![Code::Unavailable, Code::Aborted],
            })),
        };
        assert_eq!(method(fields), Ok(expected));
    }

    #[test]
    fn only_max_attempts_must_be_said_of_hedging() {
        let hedging = |max_attempts: u32, delay, non_fatal_codes| {
            Some(AttemptsPolicy::Hedging(HedgingPolicy {
                max_attempts,
                hedging_delay: Duration::from_millis(delay),
                non_fatal_codes,
            }))
        };
        let read = |policy| method(json!({"hedgingPolicy": policy})).unwrap().attempts;
        assert_eq!(read(json!({"maxAttempts": 3})), hedging(3, 0, vec![]));
        assert_eq!(
            read(json!({
                "maxAttempts": 3,
                "hedgingDelay": ".5s",
                "nonFatalStatusCodes": ["unavailable"],
            })),
            hedging(3, 500, vec![Code::Unavailable])
        );
    }

    #[test]
    fn more_attempts_than_five_are_five() {
        let mut policy = retry_policy();
        policy["maxAttempts"] = json!(9);
        let attempts = method(json!({"retryPolicy": policy})).unwrap().attempts;
        let Some(AttemptsPolicy::Retry(policy)) = attempts else {
            panic!("a retryPolicy was read");
        };
        assert_eq!(policy.max_attempts, 5);
    }

    #[test]
    fn a_bad_value_is_an_error_that_tells_its_place() {
        for (field, value, place) in [
            ("waitForReady", json!("yes"), "waitForReady"),
            ("timeout", json!(5), "timeout"),
            ("timeout", json!("-1s"), "timeout"),
            (
                "maxRequestMessageBytes",
                json!(-1),
                "maxRequestMessageBytes",
            ),
            (
                "maxResponseMessageBytes",
                json!(4_294_967_296_u64),
                "maxResponseMessageBytes",
            ),
            ("retryPolicy", json!([]), "retryPolicy"),
            ("hedgingPolicy", json!({}), "hedgingPolicy.maxAttempts"),
            (
                "hedgingPolicy",
                json!({"maxAttempts": 1}),
                "hedgingPolicy.maxAttempts",
            ),
            (
                "hedgingPolicy",
                json!({"maxAttempts": 2, "nonFatalStatusCodes": ["OK", "X"]}),
                "hedgingPolicy.nonFatalStatusCodes[1]",
            ),
        ] {
            let error = method(json!({field: value})).unwrap_err();
            let place = format!("methodConfig[0].{place}: expected ");
            assert!(error.starts_with(&place), "{value}: {error}");
        }
    }

    #[test]
    fn a_retry_policy_needs_each_of_its_fields() {
        for (field, bad) in [
            ("maxAttempts", json!(1)),
            ("initialBackoff", json!("0s")),
            ("maxBackoff", json!("0s")),
            ("backoffMultiplier", json!(0)),
            ("retryableStatusCodes", json!([])),
        ] {
            for value in [Value::Null, bad] {
                let mut policy = retry_policy();
                policy[field] = value;
                let error = method(json!({"retryPolicy": policy})).unwrap_err();
                let place = format!("methodConfig[0].retryPolicy.{field}: expected ");
                assert!(error.starts_with(&place), "{error}");
            }
        }
    }

    #[test]
    fn a_method_is_not_both_retried_and_hedged() {
        let both = json!({"retryPolicy": retry_policy(), "hedgingPolicy": {"maxAttempts": 2}});
        let error = method(both).unwrap_err();
        assert!(error.starts_with("methodConfig[0]: expected "), "{error}");
    }

    #[test]
    fn a_name_stands_once_and_names_a_service() {
        let twice = json!({"methodConfig": [
            {"name": [{"service": "s"}]},
            {"name": [{"service": "t"}, {"service": "s", "method": ""}]},
        ]});
        let error = methods(&twice).unwrap_err();
        assert!(error.starts_with("methodConfig[1].name[1]: "), "{error}");
        let nameless = json!({"methodConfig": [{"name": [{"method": "m"}]}]});
        let error = methods(&nameless).unwrap_err();
        assert!(error.starts_with("methodConfig[0].name[0]: "), "{error}");
    }
}
