//! `kubectl`, for one context and one namespace: the tool that every reader knows, so that each step
//! of a scenario can be repeated by hand.

mod wait;

use std::time::Duration;

use serde_json::Value;

use super::error::Error;
use super::program::Program;

/// How long one request may take. Waiting commands have bounds of their own.
const REQUEST: Duration = Duration::from_mins(1);

/// The cluster, and the namespace that is worked in, if it is one.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    context: String,
    namespace: String,
}

// === impl Kubectl ===

impl Kubectl {
    /// The context that `kubectl` would use by itself.
    pub(super) async fn current_context() -> Result<String, Error> {
        let current = Program::new("kubectl", ["config", "current-context"]);
        Ok(current.run().await?.trim().to_owned())
    }

    /// No namespace: for what names its own.
    pub(super) fn new(context: &str) -> Self {
        Self {
            context: context.to_owned(),
            namespace: String::new(),
        }
    }

    /// The same cluster, another namespace.
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            context: self.context.clone(),
            namespace: namespace.to_owned(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `kubectl` with these arguments, not yet run.
    pub(super) fn program(&self, args: &[&str]) -> Program {
        let (context, namespace) = (self.context.as_str(), self.namespace.as_str());
        let mut all = vec!["--context", context];
        if !namespace.is_empty() {
            all.extend(["--namespace", namespace]);
        }
        all.extend(args);
        Program::new("kubectl", all).within(REQUEST)
    }

    /// Runs it and returns what it printed.
    pub(super) async fn run(&self, args: &[&str]) -> Result<String, Error> {
        self.program(args).run().await
    }

    /// Whether it succeeds, and all that it said.
    pub(super) async fn attempt(
        &self,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<(bool, String), Error> {
        let output = self.program(args).output(input).await?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.success(), said))
    }

    /// Runs it with `--output=json`.
    pub(super) async fn json(&self, args: &[&str]) -> Result<Value, Error> {
        let program = self.program(&[args, &["--output=json"]].concat());
        let text = program.run().await?;
        serde_json::from_str(&text).map_err(|source| Error::Json {
            command: program.line(),
            source,
        })
    }

    /// Creates or replaces an object.
    pub(super) async fn put(&self, object: &Value) -> Result<(), Error> {
        let program = self.program(&["apply", "--filename=-"]);
        program.run_with(&object.to_string()).await.map(drop)
    }

    /// Deletes objects at once, whether or not they are there, and does not wait for their end.
    pub(super) async fn discard(&self, args: &[&str]) -> Result<(), Error> {
        let how = ["--ignore-not-found", "--wait=false", "--grace-period=1"];
        let program = self.program(&[&["delete"], args, &how].concat());
        program.run().await.map(drop)
    }

    /// Whether there is such an object.
    pub(super) async fn exists(&self, args: &[&str]) -> Result<bool, Error> {
        let get = [&["get", "--ignore-not-found", "--output=name"], args].concat();
        Ok(!self.run(&get).await?.trim().is_empty())
    }
}
