//! What every replica answered, as a table and as JSON, and what to try where one did not do it.

use std::io;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use service_runtime::chain::Chain;
use service_runtime::faults::http::{Document, Shown};

use super::{Failure, Order, Place};
use crate::output::printable;

/// What one replica answered.
#[derive(Debug)]
pub struct Answer {
    /// Which one.
    pub place: Place,
    /// The faults that it has, has set or has ended.
    pub result: Result<Document, Failure>,
}

/// What all of them answered to an order.
#[derive(Debug)]
pub struct Answers {
    order: Order,
    answers: Vec<Answer>,
}

// === impl Answers ===

impl Answers {
    /// The answers to this order.
    #[must_use]
    pub fn new(order: Order, answers: Vec<Answer>) -> Self {
        Self { order, answers }
    }

    /// Whether every replica did what it was asked for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.answers.iter().all(|it| it.result.is_ok())
    }

    /// One row for each fault, those that failed below, and how many did it.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if self.answers.iter().any(|it| it.result.is_ok()) {
            lines.push(self.table());
        }
        for Answer { place, result } in &self.answers {
            if let Err(failure) = result {
                let why = Chain(failure).to_string();
                lines.push(format!("{place}: {}", printable(&why)));
            }
        }
        lines.push(String::new());
        lines.push(self.summary());
        lines.extend(self.hints());
        lines.join("\n")
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header([
            "OPS", "REPLICA", "METHOD", "RATIO", "DELAY", "THEN", "LEFT", "CALLS",
        ]);
        for Answer { place, result } in &self.answers {
            let Ok(document) = result else { continue };
            let replica = printable(&document.replica);
            let place = place.to_string();
            if document.faults.is_empty() {
                table.add_row([place.as_str(), replica.as_ref(), "(none)"]);
            }
            for shown in &document.faults {
                let cells = [place.clone(), replica.to_string()];
                table.add_row(cells.into_iter().chain(row(shown)));
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if let Some(calls) = table.column_mut(7) {
            calls.set_cell_alignment(CellAlignment::Right);
        }
        table.trim_fmt()
    }

    fn summary(&self) -> String {
        let done = self.answers.iter().filter(|it| it.result.is_ok()).count();
        let all = self.answers.len();
        let what = match &self.order {
            Order::Set(..) => "set on",
            Order::List => "answered by",
            Order::Clear(_) => "cleared on",
        };
        format!("{what} {done} of {all} ops listeners")
    }

    /// What helps, each once.
    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<&str> = Vec::new();
        let failures = self
            .answers
            .iter()
            .filter_map(|it| it.result.as_ref().err());
        for hint in failures.filter_map(hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints.into_iter().map(|it| format!("\n{it}")).collect()
    }
}

impl Serialize for Answers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let replicas: Vec<Value> = self.answers.iter().map(Answer::json).collect();
        json!({ "replicas": replicas }).serialize(serializer)
    }
}

/// The cells of one fault.
fn row(shown: &Shown) -> [String; 6] {
    let fault = &shown.fault;
    let delay = if fault.delay.is_zero() {
        "-".to_owned()
    } else {
        format!("{:?}", fault.delay)
    };
    let left = shown.remaining.map(|it| format!("{it:?}"));
    [
        printable(&shown.method).into_owned(),
        fault.ratio.to_string(),
        delay,
        fault.ending().unwrap_or("the answer").to_owned(),
        left.unwrap_or_else(|| "until cleared".to_owned()),
        shown.calls.to_string(),
    ]
}

/// What to try.
fn hint(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Connect(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Some("An ops listener is named by its HOST:PORT, such as --ops-address localhost:9090.")
        }
        Failure::Connect(_) | Failure::TimedOut(_) => Some(UNREACHABLE),
        Failure::Refused {
            status: StatusCode::FORBIDDEN,
            ..
        } => Some(FORBIDDEN),
        Failure::Stranger { .. } | Failure::Http(_) => Some(
            "The ops listener is plain HTTP on its own port, which the server's ops.address says: \
             --ops-port, or --ops-address HOST:PORT.",
        ),
        Failure::Refused { .. } => None,
    }
}

const UNREACHABLE: &str = "\
Nobody listens there, or a NetworkPolicy is in the way: the ops port is in no Service and is not for
clients. From outside of the cluster forward it, for each pod on a port of its own:
  kubectl port-forward pod/NAME 9091:9090
  user-client fault list --ops-address localhost:9091";

const FORBIDDEN: &str = "\
A server takes faults only when its settings allow it: faults.enabled = true in its file, or
USER_SERVER__FAULTS__ENABLED=true in its environment. docs/faults.md shows how, also in a cluster.";

// === impl Answer ===

impl Answer {
    fn json(&self) -> Value {
        let address = self.place.to_string();
        match &self.result {
            Ok(Document { replica, faults }) => {
                json!({ "address": address, "replica": replica, "faults": faults })
            }
            Err(failure) => json!({ "address": address, "error": Chain(failure).to_string() }),
        }
    }
}
