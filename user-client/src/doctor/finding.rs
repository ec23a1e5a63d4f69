//! The answer to one question.

use serde::Serialize;

/// What is asked, in the order in which it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// Does the name resolve?
    Name,
    /// Do search domains cost queries?
    SearchDomains,
    /// Is it a cluster IP by mistake?
    ClusterIp,
    /// Does each address accept?
    Connection,
    /// Is each who it should be?
    Tls,
    /// For how long?
    Certificate,
    /// Does each speak HTTP/2?
    Http2,
    /// Does each serve?
    Health,
    /// Do calls spread?
    Spread,
    /// Does a sidecar balance as well?
    Sidecar,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// All is well.
    Passed,
    /// Something is wrong.
    Failed,
    /// It was not asked: it does not apply, or something before it failed.
    Skipped,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub question: Question,
    /// In a word.
    pub outcome: Outcome,
    /// In a line.
    pub says: String,
    /// What to do next, a line for each step. Empty unless it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

// === impl Question ===

impl Question {
    /// What people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::SearchDomains => "search domains",
            Self::ClusterIp => "cluster IP",
            Self::Connection => "connection",
            Self::Tls => "TLS",
            Self::Certificate => "certificate",
            Self::Http2 => "HTTP/2",
            Self::Health => "health",
            Self::Spread => "spread",
            Self::Sidecar => "sidecar",
        }
    }
}

// === impl Finding ===

impl Finding {
    /// All is well.
    pub fn passed(question: Question, says: impl Into<String>) -> Self {
        Self::new(question, Outcome::Passed, says.into(), Vec::new())
    }

    /// Something is wrong.
    pub fn failed(question: Question, says: impl Into<String>, next: Vec<String>) -> Self {
        Self::new(question, Outcome::Failed, says.into(), next)
    }

    /// It was not asked, and why.
    pub fn skipped(question: Question, why: impl Into<String>) -> Self {
        Self::new(question, Outcome::Skipped, why.into(), Vec::new())
    }

    fn new(question: Question, outcome: Outcome, says: String, next: Vec<String>) -> Self {
        Self {
            question,
            outcome,
            says,
            next,
        }
    }
}
