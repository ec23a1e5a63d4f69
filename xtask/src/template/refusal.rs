//! Names that cannot work: refused with the reason and an example, before anything is written.

use std::fs;

use super::error::Error;
use super::make::Workshop;
use super::proof::Outcome;

/// A project's name, and a part of what is said about it.
const REFUSED: [(&str, &str); 7] = [
    ("type", "keyword of Rust"),
    ("health", "`health`"),
    ("tests", "`test`"),
    ("options", "`option`"),
    ("3d-models", "begin with a letter"),
    ("a-b", "join two of its words"),
    ("the-longest-name-that-nobody-would-ever-type-again", "63"),
];

/// Tries them all.
pub(super) fn prove(workshop: &Workshop) -> Result<Outcome, Error> {
    let mut wrong = Vec::new();
    for (name, reason) in REFUSED {
        let Some(output) = workshop.generate(&[format!("--name={name}")])? else {
            return Ok(Outcome::Skipped("cargo-generate is not there".to_owned()));
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            wrong.push(format!("{name} must be refused"));
        } else if !(said.contains(reason) && said.contains("For example: order")) {
            wrong.push(format!(
                "{name} must be refused with a reason and an example: {said}"
            ));
        }
        let results = workshop.results();
        if fs::read_dir(&results)
            .map_err(Error::file(&results))?
            .next()
            .is_some()
        {
            wrong.push(format!("{name} has left a folder"));
        }
    }
    Ok(Outcome::without(wrong.iter()))
}
