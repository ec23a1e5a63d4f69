//! For how long is each certificate valid?

use jiff::{SignedDuration, Timestamp};
use service_runtime::tls::certificate::Facts;

use super::finding::{Finding, Question};
use super::probe::Probed;
use super::survey::{Trouble, survey};

/// What the certificates' dates mean at this moment. Those that renew by themselves do so when a third
/// of the time is left; one with less than a tenth has been forgotten.
#[must_use]
pub fn verdict(probed: &[Probed], now: Timestamp) -> Finding {
    let seen = || {
        probed.iter().filter_map(|it| {
            let secured = it.tls.as_ref()?.as_ref().ok()?;
            Some((&it.address, secured.certificate.as_ref()?))
        })
    };
    let soonest = seen().map(|(_, facts)| facts.not_after).min();
    let answers = seen().map(|(address, facts)| {
        let answer = if is_forgotten(facts, now) {
            Err(trouble(facts, now))
        } else {
            Ok(())
        };
        (address, answer)
    });
    survey(Question::Certificate, answers, |good| match soonest {
        Some(end) => format!(
            "{good} are valid for a while, the first until {}",
            until(end, now)
        ),
        None => good.to_owned(),
    })
}

fn is_forgotten(facts: &Facts, now: Timestamp) -> bool {
    let life = facts.not_after.duration_since(facts.not_before);
    facts.not_after.duration_since(now) < life / 10
}

fn trouble(facts: &Facts, now: Timestamp) -> Trouble {
    Trouble {
        says: format!("valid only until {}", until(facts.not_after, now)),
        next: vec![
            "renew it now: kubectl get certificates (cert-manager), or cargo xtask certs --force"
                .to_owned(),
        ],
    }
}

/// A moment, and how far away it is.
fn until(end: Timestamp, now: Timestamp) -> String {
    let left = end.duration_since(now).max(SignedDuration::ZERO);
    let (days, hours, minutes) = (
        left.as_hours() / 24,
        left.as_hours() % 24,
        left.as_mins() % 60,
    );
    match (days, hours) {
        (0, 0) => format!("{end} ({minutes}m left)"),
        (0, _) => format!("{end} ({hours}h {minutes}m left)"),
        _ => format!("{end} ({days}d {hours}h left)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;
    use crate::doctor::tls::Secured;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn verdict_at(now: &str) -> Finding {
        let address = std::net::SocketAddr::from(([10, 0, 0, 1], 1)).into();
        let certificate = Facts {
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2026-01-31T00:00:00Z"),
            dns_names: Vec::new(),
            uris: Vec::new(),
        };
        let probed = Probed {
            tls: Some(Ok(Secured {
                version: "TLS 1.3",
                certificate: Some(certificate),
            })),
            ..Probed::connected(address)
        };
        verdict(&[probed], at(now))
    }

    #[test]
    fn a_certificate_that_nobody_renewed_is_told_before_it_expires() {
        let early = verdict_at("2026-01-21T00:00:00Z");
        assert_eq!(early.outcome, Outcome::Passed, "{early:?}");
        assert!(early.says.contains("10d 0h left"), "{early:?}");
        let late = verdict_at("2026-01-29T01:00:00Z");
        assert_eq!(late.outcome, Outcome::Failed, "{late:?}");
        assert!(late.says.contains("1d 23h left"), "{late:?}");
    }
}
