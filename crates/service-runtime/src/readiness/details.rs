//! What `/readyz` shows beside the checks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Texts that are made when they are asked for, by name. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Details(Arc<Mutex<BTreeMap<&'static str, Describe>>>);

pub(super) type Describe = Box<dyn Fn() -> String + Send + Sync>;

// === impl Details ===

impl Details {
    pub(super) fn add(&self, name: &'static str, describe: Describe) {
        self.lock().insert(name, describe);
    }

    pub(super) fn texts(&self) -> BTreeMap<&'static str, String> {
        let details = self.lock();
        let texts = details.iter().map(|(name, describe)| (*name, describe()));
        texts.collect()
    }

    /// A text that could not be made leaves the others as they were.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Describe>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
