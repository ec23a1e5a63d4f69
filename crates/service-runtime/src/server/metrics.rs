//! How many connections a listener has, as the instruments [`CONNECTIONS_OPEN`] and
//! [`CONNECTIONS_ACCEPTED`].

use opentelemetry::metrics::{Counter, Meter, UpDownCounter};

use crate::telemetry::instruments::{CONNECTIONS_ACCEPTED, CONNECTIONS_OPEN};

/// Counts the connections of one listener.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    open: UpDownCounter<i64>,
    accepted: Counter<u64>,
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(UpDownCounter<i64>);

// === impl Connections ===

impl Connections {
    pub(super) fn new(meter: &Meter) -> Self {
        let connections = Self {
            open: CONNECTIONS_OPEN.up_down_counter(meter),
            accepted: CONNECTIONS_ACCEPTED.counter(meter),
        };
        // None is a number, too.
        connections.open.add(0, &[]);
        connections.accepted.add(0, &[]);
        connections
    }

    pub(super) fn accepted(&self) -> Open {
        self.accepted.add(1, &[]);
        self.open.add(1, &[]);
        Open(self.open.clone())
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}
