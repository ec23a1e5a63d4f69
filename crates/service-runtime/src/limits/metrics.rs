//! What can be measured of limits: the instruments [`LIMIT_HITS`] and
//! [`CALLS_RUNNING`].

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{Limit, Limits};
use crate::telemetry::instruments::{CALLS_RUNNING, LIMIT_HITS};

/// Lets `meter` look at `limits`, for as long as its provider lives.
pub(super) fn measure(meter: &Meter, limits: &Limits) {
    let hits = limits.clone();
    // The counts are there already, so that nothing has to be added up a second time. Callbacks belong
    // to the meter; the instrument itself need not be kept.
    let _ = meter
        .u64_observable_counter(LIMIT_HITS.name)
        .with_unit(LIMIT_HITS.unit)
        .with_description(LIMIT_HITS.description)
        .with_callback(move |observer| {
            for limit in Limit::ALL {
                let label = KeyValue::new("limit", limit.label());
                observer.observe(hits.hits(limit), &[label]);
            }
        })
        .build();
    let running = limits.clone();
    CALLS_RUNNING.observe(meter, move || {
        Some(f64::from(
            u32::try_from(running.running()).unwrap_or(u32::MAX),
        ))
    });
}
