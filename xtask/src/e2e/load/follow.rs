//! A client's pod, and its log as it is written.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Pod;
use crate::e2e::error::Error;
use crate::e2e::kubectl::Kubectl;
use crate::e2e::ledger::Ledger;
use crate::e2e::program::Program;

/// How long a pod may take to run: the image is on the node, which may be busy.
const START: Duration = Duration::from_mins(2);

/// How long a client may take to end: its grace period and a busy node.
const STOP: Duration = Duration::from_secs(40);

/// A client whose log is followed.
#[derive(Debug)]
pub(in crate::e2e) struct Followed {
    kubectl: Kubectl,
    name: String,
    ledger: watch::Receiver<Ledger>,
    _reading: AbortOnDropHandle<()>,
}

// === impl Followed ===

impl Followed {
    /// Makes the pod anew, and follows its log from the start.
    pub(in crate::e2e) async fn start(kubectl: &Kubectl, pod: &Pod) -> Result<Self, Error> {
        let name = pod.name().to_owned();
        kubectl.discard(&["pod", &name]).await?;
        kubectl.gone(std::slice::from_ref(&name), STOP).await?;
        kubectl.put(pod.object()).await?;
        let object = format!("pod/{name}");
        let runs = |phase: &str| matches!(phase, "Running" | "Succeeded" | "Failed");
        kubectl
            .watch(&[&object], "{.status.phase}", START, runs)
            .await?;
        let program = kubectl.program(&["logs", "--follow", &object]);
        let mut command = program.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let child = command.spawn().map_err(|source| Error::Run {
            program: "kubectl".to_owned(),
            source,
        })?;
        let (sender, ledger) = watch::channel(Ledger::default());
        Ok(Self {
            kubectl: kubectl.clone(),
            name,
            ledger,
            _reading: AbortOnDropHandle::new(tokio::spawn(read(program, child, sender))),
        })
    }

    /// How many intervals there are by now.
    pub(super) fn heard(&self) -> usize {
        self.ledger.borrow().intervals.len()
    }

    /// Waits until the ledger shows something, and returns that.
    pub(in crate::e2e) async fn until<T>(
        &self,
        what: &str,
        bound: Duration,
        mut seen: impl FnMut(&Ledger) -> Option<T>,
    ) -> Result<T, Error> {
        let mut ledger = self.ledger.clone();
        let mut found = None;
        let waiting = ledger.wait_for(|ledger| {
            found = seen(ledger);
            found.is_some() || ledger.ended
        });
        let waited = tokio::time::timeout(bound, waiting).await.map(drop);
        let latest = self.ledger.borrow();
        match (found, waited) {
            (Some(found), _) => Ok(found),
            (None, Ok(())) => Err(Error::LoadEnded {
                pod: self.name.clone(),
                log: latest.noise.join("\n"),
            }),
            (None, Err(_elapsed)) => Err(Error::Waited {
                what: what.to_owned(),
                after: bound,
                latest: latest.intervals.last().map_or_else(
                    || "no line in the log of the load".to_owned(),
                    |it| format!("{:?} {}", it.counts.pods, it.counts.reasons()),
                ),
            }),
        }
    }

    /// Waits until the client has ended by itself, removes the pod, and returns what it said.
    pub(in crate::e2e) async fn ended(self, bound: Duration) -> Result<Ledger, Error> {
        let mut ledger = self.ledger.clone();
        let ended = ledger.wait_for(|ledger| ledger.ended);
        let ended = tokio::time::timeout(bound, ended).await.map(drop);
        self.kubectl.discard(&["pod", &self.name]).await?;
        let ledger = self.ledger.borrow().clone();
        match ended {
            Ok(()) => Ok(ledger),
            Err(_elapsed) => Err(Error::Waited {
                what: format!("{} has ended", self.name),
                after: bound,
                latest: ledger.noise.join("\n"),
            }),
        }
    }

    /// Asks the client to end, which it does with a report, and removes the pod.
    pub(super) async fn stop(self) -> Result<Ledger, Error> {
        let pod = format!("pod/{}", self.name);
        self.kubectl.run(&["delete", &pod, "--wait=false"]).await?;
        self.ended(STOP).await
    }
}

/// Reads the log to its end. Whatever ends it is the end of the load: nobody counts any more.
async fn read(program: Program, mut child: Child, ledger: watch::Sender<Ledger>) {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        loop {
            match lines.next_line().await {
                Ok(Some(line)) => ledger.send_modify(|it| it.hear(&line, Instant::now())),
                Ok(None) => break,
                Err(source) => {
                    let error = program.broken(source);
                    ledger.send_modify(|it| it.noise.push(error.chain()));
                    break;
                }
            }
        }
    }
    ledger.send_modify(|it| it.ended = true);
}
