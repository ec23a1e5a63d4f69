//! What can be measured of the pools of a database: their connections, and the waits for one.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use sqlx::Pool;

use super::traced::waited;
use crate::instruments::{
    CONNECTION_TIMEOUTS, CONNECTION_WAIT_TIME, CONNECTIONS, CONNECTIONS_MAX, CONNECTIONS_PENDING,
};

/// The buckets that the conventions advise, in seconds.
const WAITS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The waits for connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Arc<OnceLock<Instruments>>);

#[derive(Debug)]
struct Instruments {
    pending: UpDownCounter<i64>,
    time: Histogram<f64>,
    timeouts: Counter<u64>,
}

/// Somebody waits. Dropped, nobody does any more: a call can be given up while it waits.
struct Waiting<'a> {
    instruments: &'a Instruments,
    pool: &'static str,
    start: Instant,
}

/// Lets `meter` look at a pool, for as long as its provider lives.
pub(super) fn observe<DB: sqlx::Database>(meter: &Meter, name: &'static str, pool: &Pool<DB>) {
    let idle = |pool: &Pool<DB>| u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let with_state = |state| {
        [
            of_pool(name),
            KeyValue::new("db.client.connection.state", state),
        ]
    };
    let (one, two) = (pool.clone(), pool.clone());
    CONNECTIONS.observe_with(meter, with_state("idle"), move || {
        Some(f64::from(idle(&one)))
    });
    CONNECTIONS.observe_with(meter, with_state("used"), move || {
        Some(f64::from(two.size().saturating_sub(idle(&two))))
    });
    let max = f64::from(pool.options().get_max_connections());
    CONNECTIONS_MAX.observe_with(meter, [of_pool(name)], move || Some(max));
}

fn of_pool(name: &'static str) -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", name)
}

// === impl Waits ===

impl Waits {
    /// From now on the waits for these pools are measured.
    pub(super) fn measure(&self, meter: &Meter, pools: [&'static str; 2]) {
        let instruments = self.0.get_or_init(|| Instruments {
            pending: CONNECTIONS_PENDING.up_down_counter(meter),
            time: CONNECTION_WAIT_TIME.histogram(meter, &WAITS),
            timeouts: CONNECTION_TIMEOUTS.counter(meter),
        });
        for pool in pools {
            // A series that begins with its first timeout would hide that from every rate.
            instruments.timeouts.add(0, &[of_pool(pool)]);
            instruments.pending.add(0, &[of_pool(pool)]);
        }
    }

    /// Waits for a connection of this pool; `event` is what the span of the operation calls that.
    pub(super) async fn until<T>(
        &self,
        pool: &'static str,
        event: &'static str,
        connection: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let waiting = self
            .0
            .get()
            .map(|instruments| Waiting::new(instruments, pool));
        let connection = waited(event, connection).await;
        if let (Some(waiting), Err(sqlx::Error::PoolTimedOut)) = (&waiting, &connection) {
            waiting.instruments.timeouts.add(1, &[of_pool(pool)]);
        }
        connection
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(instruments: &'a Instruments, pool: &'static str) -> Self {
        instruments.pending.add(1, &[of_pool(pool)]);
        Self {
            instruments,
            pool,
            start: Instant::now(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let labels = [of_pool(self.pool)];
        self.instruments.pending.add(-1, &labels);
        let waited = self.start.elapsed().as_secs_f64();
        self.instruments.time.record(waited, &labels);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use service_runtime::telemetry::{Config, Service, Telemetry};
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn connections_and_the_waits_for_them_are_seen() {
        let service = Service {
            name: "subject",
            version: "1.2.3",
            instance: "replica-1".to_owned(),
        };
        let telemetry = Telemetry::start(&Config::default(), &service).unwrap();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_millis(20))
            .connect_lazy("sqlite::memory:")
            .unwrap();
        let waits = Waits::default();
        waits.measure(&telemetry.meter(), ["one", "none"]);
        observe(&telemetry.meter(), "one", &pool);
        let seen = |series: &str, value: &str| {
            let text = telemetry.text().unwrap();
            let label = "db_client_connection_pool_name=\"one\"";
            let line = format!("db_client_connection_{series} {value}\n").replace("ONE", label);
            assert!(text.contains(&line), "{line}must be in\n{text}");
        };
        seen("count{ONE,db_client_connection_state=\"used\"}", "0");
        seen("timeouts_total{ONE}", "0");

        let held = waits.until("one", "connection acquired", pool.acquire());
        let held = held.await.unwrap();
        seen("count{ONE,db_client_connection_state=\"used\"}", "1");
        seen("count{ONE,db_client_connection_state=\"idle\"}", "0");
        seen("max{ONE}", "1");
        let late = waits.until("one", "connection acquired", pool.acquire());
        let mut late = Box::pin(late);
        assert!(futures_util::poll!(&mut late).is_pending());
        seen("pending_requests{ONE}", "1");
        assert!(matches!(late.await, Err(sqlx::Error::PoolTimedOut)));
        seen("pending_requests{ONE}", "0");
        seen("timeouts_total{ONE}", "1");
        seen("wait_time_seconds_count{ONE}", "2");
        drop(held);
    }
}
