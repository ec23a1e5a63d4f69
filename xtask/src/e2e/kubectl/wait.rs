//! Waiting for conditions: by watches of the API server, with bounds, and never by the clock.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::Kubectl;
use crate::e2e::error::Error;

/// What `kubectl` itself may take beyond the bound that it is given.
const MARGIN: Duration = Duration::from_secs(20);

// === impl Kubectl ===

impl Kubectl {
    /// Waits until a workload's pods are all new and available.
    pub(in crate::e2e) async fn rolled_out(
        &self,
        workload: &str,
        bound: Duration,
    ) -> Result<(), Error> {
        let timeout = format!("--timeout={}s", bound.as_secs());
        let program = self.program(&["rollout", "status", workload, &timeout]);
        program.within(bound + MARGIN).run().await.map(drop)
    }

    /// `kubectl wait`: until the objects meet a condition.
    pub(in crate::e2e) async fn wait(
        &self,
        condition: &str,
        objects: &[&str],
        bound: Duration,
    ) -> Result<(), Error> {
        let (condition, timeout) = (
            format!("--for={condition}"),
            format!("--timeout={}s", bound.as_secs()),
        );
        let program = self.program(&[&["wait", &condition, &timeout], objects].concat());
        program.within(bound + MARGIN).run().await.map(drop)
    }

    /// Waits until these pods are gone.
    pub(in crate::e2e) async fn gone(&self, pods: &[String], bound: Duration) -> Result<(), Error> {
        if pods.is_empty() {
            return Ok(());
        }
        let pods: Vec<String> = pods.iter().map(|name| format!("pod/{name}")).collect();
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        self.wait("delete", &pods, bound).await
    }

    /// Watches one value of an object, or of each of several, until it is as wanted, and returns it.
    pub(in crate::e2e) async fn watch(
        &self,
        objects: &[&str],
        jsonpath: &str,
        bound: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, Error> {
        let output = format!("--output=jsonpath={jsonpath}{{\"\\n\"}}");
        let get = [&["get", "--watch", &output], objects].concat();
        self.line(&get, bound, wanted).await
    }

    /// Runs a command that goes on, until a line that it prints is as wanted, and returns that.
    pub(in crate::e2e) async fn line(
        &self,
        args: &[&str],
        bound: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, Error> {
        let program = self.program(args);
        let mut command = program.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = command.spawn().map_err(|source| Error::Run {
            program: "kubectl".to_owned(),
            source,
        })?;
        let mut latest = "nothing".to_owned();
        let found = async {
            let Some(stdout) = child.stdout.take() else {
                return Ok(false);
            };
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines
                .next_line()
                .await
                .map_err(|source| program.broken(source))?
            {
                latest = line;
                if wanted(&latest) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match tokio::time::timeout(bound, found).await {
            Ok(Ok(true)) => Ok(latest),
            Ok(Err(error)) => Err(error),
            Ok(Ok(false)) | Err(_) => Err(Error::Waited {
                what: format!("`{}` says what is waited for", program.line()),
                after: bound,
                latest,
            }),
        }
    }
}
