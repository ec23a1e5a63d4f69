//! Is each address SERVING, by the word of its `grpc.health.v1.Health`?

use std::time::Duration;

use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_api::v1::user_service_server::SERVICE_NAME;

use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::Probed;
use super::survey::{Trouble, survey};
use crate::connect::Channel;
use crate::output::printable;
use crate::status;

/// What is asked for: the server as a whole, and the service that is called.
const SERVICES: [&str; 2] = ["", SERVICE_NAME];

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes calls, or has no health service, which counts as the same (gRFC A17).
    Serving,
    /// It does not take calls, by its own word.
    Not {
        /// What was asked for; empty for the server as a whole.
        service: &'static str,
        /// By its name in the protocol.
        status: &'static str,
    },
    /// It did not answer the question.
    Failed {
        /// The code and the message.
        says: String,
        /// By its number.
        code: Code,
    },
}

// === impl Health ===

impl Health {
    /// Whether it takes calls.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self, Self::Serving)
    }
}

/// Asks over `channel` within `patience`.
pub(super) async fn ask(channel: Channel, patience: Duration) -> Health {
    let mut client = HealthClient::new(channel);
    for service in SERVICES {
        let mut request = Request::new(HealthCheckRequest {
            service: service.to_owned(),
        });
        request.set_timeout(patience);
        let answer = client.check(request).await;
        let status = match answer.map(|response| response.into_inner().status()) {
            Ok(ServingStatus::Serving) => continue,
            Ok(status) => status.as_str_name(),
            Err(status) => match status.code() {
                Code::Unimplemented => continue,
                Code::NotFound => ServingStatus::ServiceUnknown.as_str_name(),
                code => {
                    let says = format!("{}: {}", status::name(code), printable(status.message()));
                    return Health::Failed { says, code };
                }
            },
        };
        return Health::Not { service, status };
    }
    Health::Serving
}

/// What it means what the servers say of themselves.
#[must_use]
pub fn verdict(probed: &[Probed], place: Option<&Place>) -> Finding {
    let answers = probed.iter().filter_map(|it| {
        let answer = match it.health.as_ref()? {
            Health::Serving => Ok(()),
            other => Err(trouble(other, it, place)),
        };
        Some((&it.address, answer))
    });
    survey(Question::Health, answers, |good| {
        format!("{good} are SERVING")
    })
}

fn trouble(health: &Health, probed: &Probed, place: Option<&Place>) -> Trouble {
    let pod = || place.map(|place| place.get_pod(&probed.address));
    let mut next = Vec::new();
    let says = match health {
        Health::Not { service, status } if *status == "SERVICE_UNKNOWN" => {
            next.push(format!(
                "is it the server of {SERVICE_NAME}, or another one?"
            ));
            format!("{status} for {service:?}")
        }
        Health::Not { service, status } => {
            next.push(
                "it starts, drains or misses something that it needs: its log and /readyz tell"
                    .to_owned(),
            );
            next.extend(pod());
            format!("{status} for {service:?}")
        }
        Health::Failed { says, code } => {
            if matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
                next.push(
                    "health should be open to all: the server's policy says who may".to_owned(),
                );
            }
            next.extend(pod());
            says.clone()
        }
        Health::Serving => String::new(),
    };
    Trouble { says, next }
}
