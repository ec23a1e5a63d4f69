//! What is printed: one line for each check, and below one that does not hold what to mend.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::finding::Finding;
use super::outcome::Outcome;

/// How many findings of one check are shown; one mistake in the base is found in every render.
const SHOWN: usize = 20;

/// How many renders are named with a finding.
const NAMED: usize = 4;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NEITHER: Style = AnsiColor::Yellow.on_default();

/// Writes how one check went.
pub(super) fn write(
    out: &mut impl Write,
    (name, promise): (&str, &str),
    outcome: &Outcome,
    took: Duration,
) -> io::Result<()> {
    let seconds = took.as_secs_f64();
    match outcome {
        Outcome::Held(what) => {
            writeln!(
                out,
                "{GOOD}✓{GOOD:#} {name:<14} {promise} ({what}, {seconds:.1} s)"
            )
        }
        Outcome::Skipped(why) => writeln!(out, "{NEITHER}SKIPPED{NEITHER:#} {name}: {why}"),
        Outcome::Broken(findings) => {
            writeln!(
                out,
                "{BAD}✗{BAD:#} {name:<14} {promise} ({} findings)",
                findings.len()
            )?;
            for finding in findings.iter().take(SHOWN) {
                write_finding(out, finding)?;
            }
            match findings.len().checked_sub(SHOWN) {
                Some(more @ 1..) => writeln!(out, "    … and {more} more"),
                _ => Ok(()),
            }
        }
    }
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    writeln!(out, "    {}", finding.place)?;
    let problem = finding.problem.replace('\n', "\n      ");
    writeln!(out, "      {problem}")?;
    writeln!(out, "      → {}", finding.cure)?;
    let renders = &finding.renders;
    if !renders.is_empty() {
        let named = renders[..renders.len().min(NAMED)].join(", ");
        let more = match renders.len().checked_sub(NAMED) {
            Some(more @ 1..) => format!(" and {more} more"),
            _ => String::new(),
        };
        writeln!(out, "      in {named}{more}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outcome: &Outcome) -> String {
        let mut out = Vec::new();
        write(&mut out, ("pods", "pods are well"), outcome, Duration::ZERO).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let finding = Finding {
            renders: vec!["plain".to_owned()],
            ..Finding::in_file("Pod/a", "is not well", "make it well")
        };
        assert_eq!(
            written(&Outcome::Broken(vec![finding])),
            "✗ pods           pods are well (1 findings)\n    Pod/a\n      is not well\n      \
             → make it well\n      in plain\n"
        );
    }

    #[test]
    fn what_is_skipped_says_why() {
        let skipped = written(&Outcome::Skipped("no kubectl".to_owned()));
        assert_eq!(skipped, "SKIPPED pods: no kubectl\n");
    }
}
