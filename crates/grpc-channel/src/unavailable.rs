//! Why no replica can be picked, in words that tell an operator where to look.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use crate::balancer::View;
use crate::resolver::ResolveError;
use crate::subchannel::{Phase, Subchannel};
use crate::transport::Disconnect;

/// How many subchannels a message tells about; 10,000 would help nobody.
const MOST: usize = 5;

/// Everything that is known about a channel without a ready subchannel, for each of its targets.
#[derive(Clone, Debug)]
pub(crate) struct Unavailable(pub(crate) Vec<NotReady>);

/// Everything that is known about a target without a ready subchannel.
#[derive(Clone, Debug)]
pub(crate) struct NotReady {
    pub(crate) target: Arc<str>,
    pub(crate) resolution: Option<ResolveError>,
    pub(crate) subchannels: Vec<Arc<Subchannel>>,
}

// === impl Unavailable ===

impl Unavailable {
    /// Its source is the error of the resolver, or else why there is no connection: a failure of TLS if
    /// there is one, since that one is repaired by people.
    pub(crate) fn status(&self) -> Status {
        let mut status = Status::unavailable(self.to_string());
        let mut errors = self
            .0
            .iter()
            .filter_map(|target| target.resolution.as_ref());
        if let Some(error) = errors.next() {
            status.set_source(Arc::new(error.clone()));
        } else if let Some(cause) = self.cause() {
            status.set_source(Arc::new(cause));
        }
        status
    }

    fn cause(&self) -> Option<Disconnect> {
        let subchannels = self.0.iter().flat_map(|target| &target.subchannels);
        let causes = subchannels.filter_map(|it| it.status().cause.clone());
        // Of causes of the same kind the first one is told.
        causes.reduce(|first, other| match (&first, &other) {
            (Disconnect::Tls { .. }, _) => first,
            (_, Disconnect::Tls { .. }) => other,
            _ => first,
        })
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for target in &self.0 {
            write!(f, "{separator}{target}")?;
            separator = "; ";
        }
        Ok(())
    }
}

// === impl NotReady ===

impl NotReady {
    /// What a target's view shows.
    pub(crate) fn of(target: Arc<str>, view: &View) -> Self {
        Self {
            target,
            resolution: view.resolution.load().as_ref().clone(),
            subchannels: view.subchannels.load().to_vec(),
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no replica of {} is ready", self.target)?;
        let mut separator = ": ";
        for subchannel in self.subchannels.iter().take(MOST) {
            write!(f, "{separator}{}", Described(subchannel))?;
            separator = "; ";
        }
        if let Some(more) = self
            .subchannels
            .len()
            .checked_sub(MOST)
            .filter(|more| *more > 0)
        {
            write!(f, "; and {more} more")?;
        }
        if let Some(error) = &self.resolution {
            write!(f, "{separator}{error}")?;
            let mut source = std::error::Error::source(error);
            while let Some(inner) = source {
                write!(f, ": {inner}")?;
                source = inner.source();
            }
        }
        Ok(())
    }
}

/// A subchannel as one clause: `10.0.0.3:50051 connection refused (3 attempts, next in 1.2s)`.
struct Described<'a>(&'a Subchannel);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0.status();
        write!(f, "{}", self.0.address)?;
        match (&status.cause, status.unhealthy()) {
            (_, Some(why)) => write!(f, " {why}")?,
            _ if status.ejected => f.write_str(" ejected as an outlier")?,
            (Some(cause), None) => write!(f, " {cause}")?,
            (None, None) => write!(f, " {}", status.state())?,
        }
        match status.phase {
            Phase::Failed { attempts, retry_at } => {
                let left = retry_at.saturating_duration_since(Instant::now());
                let next = Duration::from_millis(left.as_millis().try_into().unwrap_or(u64::MAX));
                let plural = if attempts == 1 { "" } else { "s" };
                write!(f, " ({attempts} attempt{plural}, next in {next:?})")
            }
            Phase::Connecting if status.cause.is_some() => f.write_str(" (connecting again)"),
            _ => Ok(()),
        }
    }
}
