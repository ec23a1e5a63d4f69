//! The programs that some checks need, and how to get those that are missing.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use super::error::Error;

/// A program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// Its name on the PATH.
    pub(crate) name: &'static str,
    /// How to get it.
    pub(crate) install: &'static str,
}

/// Renders, and is on every machine that applies manifests.
pub(crate) const KUBECTL: Tool = Tool {
    name: "kubectl",
    install: "https://kubernetes.io/docs/tasks/tools/",
};

/// Renders where there is no kubectl.
pub(crate) const KUSTOMIZE: Tool = Tool {
    name: "kustomize",
    install: "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
};

/// Compares objects with the schemas.
pub(crate) const KUBECONFORM: Tool = Tool {
    name: "kubeconform",
    install: "go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
};

/// Knows good practice.
pub(crate) const KUBE_SCORE: Tool = Tool {
    name: "kube-score",
    install: "go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
};

/// Reads PromQL.
pub(crate) const PROMTOOL: Tool = Tool {
    name: "promtool",
    install: "it comes with Prometheus (Debian: the package prometheus)",
};

// === impl Tool ===

impl Tool {
    /// Where it is on the PATH.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
    }

    /// Why something is skipped, when it is missing.
    pub(crate) fn missing(self) -> String {
        format!("{} is not on the PATH; get it: {}", self.name, self.install)
    }

    /// Runs it with a text as its standard input.
    pub(crate) fn run(self, arguments: &[String], input: &str) -> Result<Output, Error> {
        let failed = |source| Error::Start {
            program: self.name,
            source,
        };
        let mut child = Command::new(self.name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        thread::scope(|scope| {
            // Beside reading the answer: a pipe that is full would stop both.
            let write = scope.spawn(move || match stdin {
                Some(mut stdin) => stdin.write_all(input.as_bytes()),
                None => Ok(()),
            });
            let output = child.wait_with_output().map_err(failed);
            match write.join() {
                // Who does not read its input has answered without it.
                Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
                _ => output,
            }
        })
    }
}
