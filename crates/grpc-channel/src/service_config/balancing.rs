//! `loadBalancingConfig`: which policy, and what is wrapped around it.

use super::json::{At, Unexpected};
use crate::policy::{FailurePercentage, OutlierDetection, Policy, SuccessRate};

/// What a service config says about load balancing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Balancing {
    pub(crate) policy: Policy,
    pub(crate) outlier_detection: Option<OutlierDetection>,
    /// How many of the addresses are used (gRFC A68).
    pub(crate) subset: Option<u32>,
}

/// Reads `loadBalancingConfig`, and only without it the older `loadBalancingPolicy`.
pub(super) fn read(root: &At<'_>) -> Result<Option<Balancing>, Unexpected> {
    if let Some(list) = root.field("loadBalancingConfig")? {
        return first_known(&list, Balancing::default()).map(Some);
    }
    root.read("loadBalancingPolicy", |at| {
        let policy = match at.str()?.to_ascii_lowercase().as_str() {
            "round_robin" => Policy::RoundRobin,
            "pick_first" => Policy::PickFirst { shuffle: false },
            _ => return Err(at.expected("\"round_robin\" or \"pick_first\"")),
        };
        Ok(Balancing {
            policy,
            ..Balancing::default()
        })
    })
}

/// The first policy of a list that this client knows; a list without one is an error, because no
/// policy at all was not what its author wanted.
fn first_known(list: &At<'_>, mut around: Balancing) -> Result<Balancing, Unexpected> {
    for item in list.items()? {
        let (name, config) = item.single()?;
        around.policy = match name {
            "round_robin" => Policy::RoundRobin,
            "weighted_round_robin" => Policy::WeightedRoundRobin,
            "pick_first" => Policy::PickFirst {
                shuffle: config
                    .read("shuffleAddressList", At::bool)?
                    .unwrap_or(false),
            },
            "least_request" | "least_request_experimental" => Policy::LeastRequest {
                choice_count: config.read("choiceCount", choice_count)?.unwrap_or(2),
            },
            "outlier_detection" | "outlier_detection_experimental" => {
                around.outlier_detection = Some(outlier_detection(&config)?);
                return config.required("childPolicy", |list| first_known(list, around));
            }
            "random_subsetting" | "random_subsetting_experimental" => {
                around.subset = Some(config.required("subsetSize", positive)?);
                return config.required("childPolicy", |list| first_known(list, around));
            }
            _ => continue,
        };
        return Ok(around);
    }
    Err(list.expected("a policy that is known, such as {\"round_robin\": {}}"))
}

/// gRFC A48: numbers below 2 are refused, those above 10 are taken as 10.
fn choice_count(at: &At<'_>) -> Result<u32, Unexpected> {
    match at.u32() {
        Ok(count) if count >= 2 => Ok(count.min(10)),
        _ => Err(at.expected("a whole number from 2 on")),
    }
}

fn positive(at: &At<'_>) -> Result<u32, Unexpected> {
    match at.u32() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(at.expected("a whole number from 1 on")),
    }
}

fn outlier_detection(at: &At<'_>) -> Result<OutlierDetection, Unexpected> {
    let default = OutlierDetection::default();
    let base_ejection_time = at
        .read("baseEjectionTime", At::duration)?
        .unwrap_or(default.base_ejection_time);
    Ok(OutlierDetection {
        interval: at
            .read("interval", At::positive_duration)?
            .unwrap_or(default.interval),
        base_ejection_time,
        max_ejection_time: at
            .read("maxEjectionTime", At::duration)?
            .unwrap_or(default.max_ejection_time.max(base_ejection_time)),
        max_ejection_percent: at
            .read("maxEjectionPercent", At::percentage)?
            .unwrap_or(default.max_ejection_percent),
        success_rate: at.read("successRateEjection", success_rate)?,
        failure_percentage: at.read("failurePercentageEjection", failure_percentage)?,
    })
}

fn success_rate(at: &At<'_>) -> Result<SuccessRate, Unexpected> {
    let default = SuccessRate::default();
    Ok(SuccessRate {
        stdev_factor: at
            .read("stdevFactor", At::u32)?
            .unwrap_or(default.stdev_factor),
        enforcement_percentage: at
            .read("enforcementPercentage", At::percentage)?
            .unwrap_or(default.enforcement_percentage),
        minimum_hosts: at
            .read("minimumHosts", At::u32)?
            .unwrap_or(default.minimum_hosts),
        request_volume: at
            .read("requestVolume", At::u32)?
            .unwrap_or(default.request_volume),
    })
}

fn failure_percentage(at: &At<'_>) -> Result<FailurePercentage, Unexpected> {
    let default = FailurePercentage::default();
    Ok(FailurePercentage {
        threshold: at
            .read("threshold", At::percentage)?
            .unwrap_or(default.threshold),
        enforcement_percentage: at
            .read("enforcementPercentage", At::percentage)?
            .unwrap_or(default.enforcement_percentage),
        minimum_hosts: at
            .read("minimumHosts", At::u32)?
            .unwrap_or(default.minimum_hosts),
        request_volume: at
            .read("requestVolume", At::u32)?
            .unwrap_or(default.request_volume),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn balancing(config: &Value) -> Result<Option<Balancing>, String> {
        read(&At::root(config)).map_err(|error| error.to_string())
    }

    fn policy(config: &Value) -> Policy {
        balancing(config).unwrap().unwrap().policy
    }

    #[test]
    fn the_first_policy_that_is_known_is_taken() {
        let config = json!({"loadBalancingConfig": [
            {"not_yet_invented": {"a": 1}},
            {"least_request_experimental": {"choiceCount": 4}},
            {"round_robin": {}},
        ]});
        assert_eq!(policy(&config), Policy::LeastRequest { choice_count: 4 });
    }

    #[test]
    fn a_list_without_a_known_policy_is_an_error() {
        for list in [json!([]), json!([{"not_yet_invented": {}}])] {
            let error = balancing(&json!({"loadBalancingConfig": list})).unwrap_err();
            assert!(
                error.starts_with("loadBalancingConfig: expected a policy"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_older_field_counts_only_without_the_newer_one() {
        let older = json!({"loadBalancingPolicy": "PICK_FIRST"});
        assert_eq!(policy(&older), Policy::PickFirst { shuffle: false });
        let both = json!({
            "loadBalancingPolicy": "pick_first",
            "loadBalancingConfig": [{"round_robin": {}}],
        });
        assert_eq!(policy(&both), Policy::RoundRobin);
        assert_eq!(balancing(&json!({})), Ok(None));
        let error = balancing(&json!({"loadBalancingPolicy": "grpclb"})).unwrap_err();
        assert!(
            error.starts_with("loadBalancingPolicy: expected "),
            "{error}"
        );
    }

    #[test]
    fn policies_have_settings_with_defaults() {
        for (config, expected) in [
            (json!({"round_robin": {}}), Policy::RoundRobin),
            (
                json!({"weighted_round_robin": {}}),
                Policy::WeightedRoundRobin,
            ),
            (
                json!({"pick_first": {}}),
                Policy::PickFirst { shuffle: false },
            ),
            (
                json!({"pick_first": {"shuffleAddressList": true}}),
                Policy::PickFirst { shuffle: true },
            ),
            (
                json!({"least_request": {}}),
                Policy::LeastRequest { choice_count: 2 },
            ),
            (
                json!({"least_request": {"choiceCount": 100}}),
                Policy::LeastRequest { choice_count: 10 },
            ),
        ] {
            assert_eq!(policy(&json!({"loadBalancingConfig": [config]})), expected);
        }
    }

    #[test]
    fn what_is_wrapped_around_a_policy_is_read_with_it() {
        let config = json!({"loadBalancingConfig": [{"outlier_detection_experimental": {
            "baseEjectionTime": "400s",
            "failurePercentageEjection": {"threshold": 50},
            "childPolicy": [{"random_subsetting": {
                "subsetSize": 20,
                "childPolicy": [{"unknown": {}}, {"round_robin": {}}],
            }}],
        }}]});
        let expected = Balancing {
            policy: Policy::RoundRobin,
            outlier_detection: Some(OutlierDetection {
                base_ejection_time: Duration::from_secs(400),
                max_ejection_time: Duration::from_secs(400),
                failure_percentage: Some(FailurePercentage {
                    threshold: 50,
                    ..FailurePercentage::default()
                }),
                ..OutlierDetection::default()
            }),
            subset: Some(20),
        };
        assert_eq!(balancing(&config), Ok(Some(expected)));
    }

    #[test]
    fn a_bad_value_is_an_error_that_tells_its_place() {
        for (item, place) in [
            (json!({}), ""),
            (json!({"round_robin": {}, "pick_first": {}}), ""),
            (
                json!({"pick_first": {"shuffleAddressList": 1}}),
                ".pick_first.shuffleAddressList",
            ),
            (
                json!({"least_request": {"choiceCount": 1}}),
                ".least_request.choiceCount",
            ),
            (
                json!({"random_subsetting": {"subsetSize": 0}}),
                ".random_subsetting.subsetSize",
            ),
            (
                json!({"outlier_detection": {}}),
                ".outlier_detection.childPolicy",
            ),
            (
                json!({"outlier_detection": {"successRateEjection": {"enforcementPercentage": 101}}}),
                ".outlier_detection.successRateEjection.enforcementPercentage",
            ),
            (
                json!({"outlier_detection": {"interval": "0s"}}),
                ".outlier_detection.interval",
            ),
        ] {
            let error = balancing(&json!({"loadBalancingConfig": [item]})).unwrap_err();
            let place = format!("loadBalancingConfig[0]{place}: expected ");
            assert!(error.starts_with(&place), "{error}");
        }
    }
}
