//! A report as text, for people: at most 80 columns wide while replicas' names are as long as pods'.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanCount;

use super::{Report, Tally};
use crate::output::printable;

/// One row per replica: calls, share of all calls, failed calls, p50 and p99.
///
/// Ends without a line break.
#[must_use]
pub fn replicas(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["REPLICA", "CALLS", "SHARE", "FAILED", "P50", "P99"]);
    let named = report
        .replicas
        .iter()
        .map(|(name, tally)| (printable(name), tally));
    let rest = [
        ("(no replica named)", &report.unattributed),
        ("(replicas long gone)", &report.others),
    ];
    let rest = rest
        .into_iter()
        .filter(|(_, tally)| tally.calls() > 0)
        .map(|(name, tally)| (name.into(), tally));
    for (name, tally) in named.chain(rest) {
        table.add_row([
            name.into_owned(),
            HumanCount(tally.calls()).to_string(),
            share(tally.calls(), report.calls()),
            HumanCount(tally.failed()).to_string(),
            latency(tally.latency(0.5)),
            latency(tally.latency(0.99)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table.trim_fmt()
}

/// The whole report: the replicas, then what all calls have in common, then the failures by code.
///
/// Ends without a line break.
#[must_use]
pub fn report(report: &Report) -> String {
    let overall = report.overall();
    let mut lines = Vec::new();
    if report.calls() > 0 {
        lines.push(replicas(report));
        lines.push(String::new());
    }
    lines.push(format!(
        "{} calls in {}, {} calls/s, {} failed{}",
        HumanCount(report.calls()),
        seconds(report.elapsed),
        HumanCount(report.calls_per_second()),
        HumanCount(report.failed()),
        if report.interrupted {
            "; interrupted"
        } else {
            ""
        },
    ));
    if report.abandoned > 0 {
        lines.push(format!(
            "{} calls were still unanswered at the end and are not counted",
            HumanCount(report.abandoned)
        ));
    }
    if let Some(latencies) = latencies(&overall) {
        lines.push(latencies);
    }
    for failure in report.failures.values() {
        lines.push(format!(
            "{} x {}, the first: {}",
            crate::status::name(failure.code),
            HumanCount(failure.count),
            printable(&failure.sample),
        ));
    }
    lines.join("\n")
}

/// `p50 1.10 ms  p90 …  p99 …  p99.9 …  max …`; `None` when no call succeeded.
fn latencies(overall: &Tally) -> Option<String> {
    overall.latency(1.0)?;
    let shown = [
        ("p50", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ]
    .map(|(name, quantile)| format!("{name} {}", latency(overall.latency(quantile))));
    Some(shown.join("  "))
}

/// A latency to three significant digits, in the unit that fits; `-` when there is none.
pub(super) fn latency(latency: Option<Duration>) -> String {
    let Some(latency) = latency else {
        return "-".to_owned();
    };
    let (value, unit) = match latency.as_micros() {
        0..1_000 => return format!("{} µs", latency.as_micros()),
        1_000..1_000_000 => (latency.as_secs_f64() * 1e3, "ms"),
        _ => (latency.as_secs_f64(), "s"),
    };
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// `33.33 %`, rounded to the nearest hundredth.
fn share(part: u64, whole: u64) -> String {
    let whole = u128::from(whole.max(1));
    let hundredths = (u128::from(part) * 10_000 + whole / 2) / whole;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::super::Answer;
    use super::*;

    #[test]
    fn the_table_of_a_million_calls_fits_into_80_columns() {
        let mut sample = Report::default();
        for name in ["a", "b", "c"] {
            let name = format!("user-server-7c9d8f6b5d-x2x4{name}");
            for _ in 0..1_000 {
                sample.record(
                    &Answer::new(Some(&name), None),
                    Duration::from_micros(1_234),
                );
            }
        }
        let mut million = Report::default();
        for _ in 0..334 {
            million.merge(&sample);
        }
        million.elapsed = Duration::from_secs(40);
        let text = report(&million);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "too wide: {line:?}");
        }
        assert!(
            text.contains("334,000   33.33 %        0   1.23 ms   1.23 ms"),
            "calls, share, failures and percentiles belong to every row:\n{text}"
        );
        assert!(
            text.contains("1,002,000 calls in 40.0 s, 25,050 calls/s, 0 failed"),
            "{text}"
        );
    }

    #[test]
    fn failures_show_their_code_and_one_message() {
        let mut sample = Report::default();
        let refused = Status::unavailable("no replica is ready");
        sample.record(&Answer::new(None, Some(refused)), Duration::ZERO);
        let text = report(&sample);
        assert!(
            text.contains("UNAVAILABLE x 1, the first: no replica is ready"),
            "{text}"
        );
        assert!(text.contains("(no replica named)"), "{text}");
        assert!(
            !text.contains("p50 "),
            "without a success there is no latency: {text}"
        );
    }

    #[test]
    fn latencies_are_shown_in_the_unit_that_fits() {
        for (micros, shown) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (12_345, "12.3 ms"),
            (123_456, "123 ms"),
            (2_000_000, "2.00 s"),
        ] {
            assert_eq!(latency(Some(Duration::from_micros(micros))), shown);
        }
    }
}
