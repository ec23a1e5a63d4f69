//! What one needs to see when a claim did not hold: pods, events, and the last lines of the logs.

use super::kubectl::Kubectl;
use super::program::last_lines;
use super::screen;

/// What is asked, and how much of the answer is shown.
const QUESTIONS: [(&[&str], usize); 4] = [
    (&["get", "pods", "--output=wide"], 20),
    (
        &["get", "events", "--sort-by=.metadata.creationTimestamp"],
        20,
    ),
    (
        &[
            "logs",
            "--selector=app.kubernetes.io/component=server",
            "--prefix",
            "--tail=12",
        ],
        60,
    ),
    (
        &[
            "logs",
            "--selector=app.kubernetes.io/component in (database, client)",
            "--prefix",
            "--tail=10",
        ],
        40,
    ),
];

/// Prints it. A question that has no answer is shown as such; nothing here makes the run fail.
pub(super) async fn print(kubectl: &Kubectl) {
    for (args, lines) in QUESTIONS {
        screen::step(&kubectl.program(args).line());
        match kubectl.attempt(args, None).await {
            Ok((_, said)) => screen::text(&last_lines(&said, lines)),
            Err(error) => screen::text(&error.chain()),
        }
    }
}
