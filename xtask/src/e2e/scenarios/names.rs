//! What the two names resolve to, asked from a pod by the channel's own resolver.

use std::time::Duration;

use serde_json::Value;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::load::Run;
use crate::e2e::names::{HEADLESS, REPLICAS, SERVER, target};
use crate::e2e::scene::Scene;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    Ok(vec![
        resolve(scene, HEADLESS, REPLICAS).await?,
        resolve(scene, SERVER, 1).await?,
    ])
}

async fn resolve(scene: &Scene<'_>, service: &str, expected: usize) -> Result<Finding, Error> {
    let target = target(service, scene.kubectl().namespace());
    let args = ["resolve", "--output=json", &target];
    let ledger = scene
        .run_client("e2e-resolve", &Run::Args(&args), Duration::from_mins(1))
        .await?;
    let said = ledger.noise.join("\n");
    let found = ledger.noise.iter().find_map(|line| addresses(line));
    let claim = format!(
        "from a pod, {service} resolves to {} address(es)",
        found.unwrap_or(0)
    );
    Ok(Finding::held(claim).and(
        found == Some(expected),
        format!("{expected} were expected: {said}"),
    ))
}

/// How many addresses a line of `resolve --output json` has; `None` when it is something else.
fn addresses(line: &str) -> Option<usize> {
    let document: Value = serde_json::from_str(line).ok()?;
    Some(document["addresses"].as_array()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_in_the_answer_and_nowhere_else() {
        let answer =
            r#"{"target":"a","addresses":[{"address":"10.0.0.1:1"},{"address":"10.0.0.2:1"}]}"#;
        assert_eq!(addresses(answer), Some(2));
        assert_eq!(addresses(r#"{"addresses":[]}"#), Some(0));
        assert_eq!(addresses("error: no such name"), None);
        assert_eq!(addresses(r#"{"error":"x"}"#), None);
    }
}
