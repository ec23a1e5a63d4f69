//! What can be measured of faults: the instruments [`FAULTS_SET`] and [`FAULTS_INJECTED`].

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{Faults, Kind};
use crate::telemetry::instruments::{FAULTS_INJECTED, FAULTS_SET};

/// Lets `meter` look at `faults`, for as long as its provider lives.
pub(super) fn measure(meter: &Meter, faults: &Faults) {
    let set = faults.clone();
    FAULTS_SET.observe(meter, move || {
        Some(f64::from(u32::try_from(set.count()).unwrap_or(u32::MAX)))
    });
    let injected = faults.clone();
    // The counts are there already. Callbacks belong to the meter; the instrument itself need not be kept.
    let _ = meter
        .u64_observable_counter(FAULTS_INJECTED.name)
        .with_unit(FAULTS_INJECTED.unit)
        .with_description(FAULTS_INJECTED.description)
        .with_callback(move |observer| {
            for kind in Kind::ALL {
                let label = KeyValue::new("fault", kind.label());
                observer.observe(injected.injected(kind), &[label]);
            }
        })
        .build();
}
