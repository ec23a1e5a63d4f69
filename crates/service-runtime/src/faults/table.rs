//! Which faults are set: an unchanging table, of which every change makes a new one.
//!
//! It has no clock: the time comes in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::time::Instant;

use super::fault::Fault;
use super::scope::{Scope, Served};

/// The faults, by whose calls they are for.
#[derive(Clone, Default)]
pub(super) struct Table {
    all: Option<Arc<Entry>>,
    methods: BTreeMap<Arc<str>, (Scope, Arc<Entry>)>,
}

/// A fault that is set.
pub(super) struct Entry {
    pub(super) fault: Fault,
    pub(super) ends: Option<Instant>,
    /// How many calls have met it.
    pub(super) calls: AtomicU64,
}

// === impl Table ===

impl Table {
    /// The fault of a call: that of its method, or else that of all.
    pub(super) fn find(&self, path: &str, served: &Served) -> Option<&Arc<Entry>> {
        match self.methods.get(path) {
            Some((_, entry)) => Some(entry),
            None => self.all.as_ref().filter(|_| served.in_all(path)),
        }
    }

    /// All of them, in the order of their methods.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Scope, &Arc<Entry>)> {
        let all = self.all.iter().map(|entry| (&Scope::All, entry));
        all.chain(self.methods.values().map(|(scope, entry)| (scope, entry)))
    }

    /// Puts a fault in; returns the one that was there.
    pub(super) fn set(&mut self, scope: Scope, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        match &scope {
            Scope::All => self.all.replace(entry),
            Scope::Method(path) => {
                let path = path.clone();
                let before = self.methods.insert(path, (scope, entry));
                before.map(|(_, entry)| entry)
            }
        }
    }

    /// Takes a fault out.
    pub(super) fn remove(&mut self, scope: &Scope) -> Option<Arc<Entry>> {
        match scope {
            Scope::All => self.all.take(),
            Scope::Method(path) => self.methods.remove(path).map(|(_, entry)| entry),
        }
    }

    /// Takes those out that have had their time.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(Scope, Arc<Entry>)> {
        let over = self.entries();
        let over = over.filter(|(_, entry)| entry.ends.is_some_and(|end| end <= now));
        let over: Vec<_> = over
            .map(|(scope, it)| (scope.clone(), it.clone()))
            .collect();
        for (scope, _) in &over {
            self.remove(scope);
        }
        over
    }

    /// When the next one has had its time.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.entries().filter_map(|(_, entry)| entry.ends).min()
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(fault: Fault, ends: Option<Instant>) -> Self {
        Self {
            fault,
            ends,
            calls: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::methods::Method;

    fn method(path: &str) -> Scope {
        Scope::Method(path.into())
    }

    fn entry(delay: u64, ends: Option<Instant>) -> Arc<Entry> {
        let delay = Duration::from_secs(delay);
        let fault = Fault {
            delay,
            ..Fault::default()
        };
        Arc::new(Entry::new(fault, ends))
    }

    fn served(paths: &[&str]) -> Served {
        let method = |path: &&str| Method {
            path: (*path).to_owned(),
            is_stream: false,
        };
        Served::new(&paths.iter().map(method).collect::<Vec<_>>())
    }

    #[test]
    fn a_methods_own_fault_comes_before_that_of_all() {
        let served = served(&["/a/Get", "/a/List", "/grpc.health.v1.Health/Check"]);
        let mut table = Table::default();
        table.set(Scope::All, entry(1, None));
        table.set(method("/a/Get"), entry(2, None));
        let delay = |table: &Table, path: &str| {
            let found = table.find(path, &served);
            found.map(|it| it.fault.delay.as_secs())
        };
        assert_eq!(delay(&table, "/a/Get"), Some(2));
        assert_eq!(delay(&table, "/a/List"), Some(1));
        let health = "/grpc.health.v1.Health/Check";
        assert_eq!(delay(&table, health), None, "health is not one of all");
        table.set(method(health), entry(3, None));
        assert_eq!(delay(&table, health), Some(3), "unless it is named");
        assert!(table.remove(&method("/a/Get")).is_some());
        assert!(table.remove(&method("/a/Get")).is_none(), "it is gone");
        assert_eq!(delay(&table, "/a/Get"), Some(1));
    }

    #[test]
    fn each_fault_ends_in_its_own_time() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut table = Table::default();
        table.set(Scope::All, entry(1, Some(at(20))));
        table.set(method("/a/Get"), entry(1, Some(at(10))));
        table.set(method("/a/List"), entry(1, None));
        assert_eq!(table.next_end(), Some(at(10)));
        assert!(table.expire(at(9)).is_empty());
        let over: Vec<Scope> = table.expire(at(10)).into_iter().map(|it| it.0).collect();
        assert_eq!(over, [method("/a/Get")]);
        assert_eq!(table.next_end(), Some(at(20)));
        assert_eq!(table.expire(at(30)).len(), 1);
        assert_eq!(table.next_end(), None);
        assert_eq!(
            table.entries().count(),
            1,
            "one ends only when it is cleared"
        );
    }
}
