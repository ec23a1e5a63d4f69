//! One question put to many addresses, and what they have in common as one line.

use grpc_channel::resolver::Address;

use super::finding::{Finding, Question};
use crate::output::printable;

/// How many addresses are named for one reason.
const MOST: usize = 3;

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) says: String,
    pub(super) next: Vec<String>,
}

/// The answer of all addresses: `well` says what those that are well do, and is given their number,
/// such as "3 of 3 accept".
pub(super) fn survey<'a>(
    question: Question,
    answers: impl IntoIterator<Item = (&'a Address, Result<(), Trouble>)>,
    well: impl Fn(&str) -> String,
) -> Finding {
    let (mut total, mut troubles) = (0_usize, Vec::new());
    for (address, answer) in answers {
        total += 1;
        troubles.extend(answer.err().map(|trouble| (address, trouble)));
    }
    if total == 0 {
        return Finding::skipped(question, "no address came this far");
    }
    let good = well(&format!("{} of {total}", total - troubles.len()));
    if troubles.is_empty() {
        return Finding::passed(question, good);
    }
    let mut next: Vec<String> = Vec::new();
    for step in troubles.iter().flat_map(|(_, trouble)| &trouble.next) {
        if !next.contains(step) {
            next.push(step.clone());
        }
    }
    // Hundreds of pods that cannot be reached need one step, not hundreds.
    next.truncate(2 * MOST);
    Finding::failed(question, format!("{good}; {}", by_reason(&troubles)), next)
}

/// The addresses by what is wrong with them.
fn by_reason(troubles: &[(&Address, Trouble)]) -> String {
    let mut reasons: Vec<(&str, Vec<&Address>)> = Vec::new();
    for (address, trouble) in troubles {
        match reasons.iter_mut().find(|(says, _)| *says == trouble.says) {
            Some((_, addresses)) => addresses.push(address),
            None => reasons.push((&trouble.says, vec![address])),
        }
    }
    let reasons = reasons.iter().map(|(says, addresses)| {
        let named: Vec<String> = addresses
            .iter()
            .take(MOST)
            .map(ToString::to_string)
            .collect();
        let more = match addresses.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {}", named.join(", "), printable(says))
    });
    reasons.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn addresses(count: u8) -> Vec<Address> {
        (1..=count)
            .map(|last| std::net::SocketAddr::from(([10, 0, 0, last], 1)).into())
            .collect()
    }

    fn trouble(says: &str) -> Result<(), Trouble> {
        Err(Trouble {
            says: says.to_owned(),
            next: vec![format!("repair what is {says}")],
        })
    }

    #[test]
    fn addresses_with_the_same_trouble_share_a_line_and_a_step() {
        let addresses = addresses(7);
        let answers = addresses.iter().zip([
            Ok(()),
            trouble("closed"),
            trouble("closed"),
            trouble("closed"),
            trouble("closed"),
            trouble("slow"),
            Ok(()),
        ]);
        let finding = survey(Question::Connection, answers, |good| {
            format!("{good} accept")
        });
        assert_eq!(
            finding.says,
            "2 of 7 accept; 10.0.0.2:1, 10.0.0.3:1, 10.0.0.4:1 and 1 more: closed; \
             10.0.0.6:1: slow"
        );
        assert_eq!(
            finding.next,
            ["repair what is closed", "repair what is slow"]
        );
    }

    #[test]
    fn nobody_to_ask_is_no_failure() {
        let finding = survey(Question::Http2, [], str::to_owned);
        assert_eq!(finding.outcome, Outcome::Skipped);
    }
}
