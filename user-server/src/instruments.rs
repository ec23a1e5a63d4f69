//! Every instrument of this program beside those of the runtime: what its store, its cache and its feed
//! measure. Their names are OpenTelemetry's conventions for databases where these have one.
//!
//! Every label has a small and fixed set of values, whatever is sent.

use service_runtime::telemetry::instruments::{Instrument, Kind};

/// Connections of a pool.
pub const CONNECTIONS: Instrument = Instrument {
    name: "db.client.connection.count",
    prometheus: "db_client_connection_count",
    kind: Kind::Gauge,
    unit: "{connection}",
    description: "Connections to the database, by pool and state",
    labels: &[
        "db_client_connection_pool_name",
        "db_client_connection_state",
    ],
};

/// How many a pool may have.
pub const CONNECTIONS_MAX: Instrument = Instrument {
    name: "db.client.connection.max",
    prometheus: "db_client_connection_max",
    kind: Kind::Gauge,
    unit: "{connection}",
    description: "Connections that a pool may have at the most",
    labels: &["db_client_connection_pool_name"],
};

/// Who waits for one.
pub const CONNECTIONS_PENDING: Instrument = Instrument {
    name: "db.client.connection.pending_requests",
    prometheus: "db_client_connection_pending_requests",
    kind: Kind::Gauge,
    unit: "{request}",
    description: "Operations that wait for a connection of a pool now",
    labels: &["db_client_connection_pool_name"],
};

/// How long that took.
pub const CONNECTION_WAIT_TIME: Instrument = Instrument {
    name: "db.client.connection.wait_time",
    prometheus: "db_client_connection_wait_time_seconds",
    kind: Kind::Histogram,
    unit: "s",
    description: "How long operations waited for a connection; those that write, until their transaction began",
    labels: &["db_client_connection_pool_name"],
};

/// How often it took too long.
pub const CONNECTION_TIMEOUTS: Instrument = Instrument {
    name: "db.client.connection.timeouts",
    prometheus: "db_client_connection_timeouts_total",
    kind: Kind::Counter,
    unit: "{timeout}",
    description: "Operations that had no connection of a pool in time",
    labels: &["db_client_connection_pool_name"],
};

/// What the cache was asked for.
pub const CACHE_LOOKUPS: Instrument = Instrument {
    name: "cache.lookups",
    prometheus: "cache_lookups_total",
    kind: Kind::Counter,
    unit: "{lookup}",
    description: "Reads that the cache could answer, by what came of it",
    labels: &["result"],
};

/// What is in it.
pub const CACHE_ENTRIES: Instrument = Instrument {
    name: "cache.entries",
    prometheus: "cache_entries",
    kind: Kind::Gauge,
    unit: "{entry}",
    description: "Resources in the cache",
    labels: &[],
};

/// What had no room.
pub const CACHE_EVICTIONS: Instrument = Instrument {
    name: "cache.evictions",
    prometheus: "cache_evictions_total",
    kind: Kind::Counter,
    unit: "{entry}",
    description: "Resources that left the cache because others needed the room (cache.max_entries)",
    labels: &[],
};

/// How old what is known may be.
pub const FEED_LAG: Instrument = Instrument {
    name: "feed.lag",
    prometheus: "feed_lag_seconds",
    kind: Kind::Gauge,
    unit: "s",
    description: "The age of the moment up to which all changes are known; up to feed.poll_interval in quiet times",
    labels: &[],
};

/// How far that is.
pub const FEED_POSITION: Instrument = Instrument {
    name: "feed.position",
    prometheus: "feed_position",
    kind: Kind::Gauge,
    unit: "{change}",
    description: "The number of the last change that this replica has seen",
    labels: &[],
};

/// What got in its way.
pub const FEED_INTERRUPTIONS: Instrument = Instrument {
    name: "feed.interruptions",
    prometheus: "feed_interruptions_total",
    kind: Kind::Counter,
    unit: "{interruption}",
    description: "How often changes could not be followed, by reason",
    labels: &["reason"],
};

/// All of them.
pub const ALL: [Instrument; 11] = [
    CONNECTIONS,
    CONNECTIONS_MAX,
    CONNECTIONS_PENDING,
    CONNECTION_WAIT_TIME,
    CONNECTION_TIMEOUTS,
    CACHE_LOOKUPS,
    CACHE_ENTRIES,
    CACHE_EVICTIONS,
    FEED_LAG,
    FEED_POSITION,
    FEED_INTERRUPTIONS,
];
