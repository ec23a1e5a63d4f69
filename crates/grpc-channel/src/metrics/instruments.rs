//! The instruments: names, kinds, units, descriptions and buckets exactly as the gRFCs give them.
//!
//! What the gRFCs call experimental says so in its description, as in the other implementations.

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

/// The buckets that A66 gives for latencies, in seconds.
const LATENCIES: [f64; 41] = [
    0.0, 0.000_01, 0.000_05, 0.000_1, 0.000_3, 0.000_6, 0.000_8, 0.001, 0.002, 0.003, 0.004, 0.005,
    0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16,
    0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// The buckets that A66 gives for sizes, in bytes.
const SIZES: [f64; 14] = [
    0.0,
    1_024.0,
    2_048.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

/// The buckets that A96 gives for retries and hedges, and those for transparent retries.
const RETRIES: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];
const TRANSPARENT_RETRIES: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0];

/// Every instrument of a channel. The SDK gives the channels of one provider the same streams.
#[derive(Debug)]
pub(super) struct Instruments {
    // A66
    pub(super) attempt_started: Counter<u64>,
    pub(super) attempt_duration: Histogram<f64>,
    pub(super) attempt_sent: Histogram<u64>,
    pub(super) attempt_received: Histogram<u64>,
    pub(super) call_duration: Histogram<f64>,
    // A96
    pub(super) call_retries: Histogram<u64>,
    pub(super) call_transparent_retries: Histogram<u64>,
    pub(super) call_hedges: Histogram<u64>,
    pub(super) call_retry_delay: Histogram<f64>,
    // A94
    pub(super) disconnections: Counter<u64>,
    pub(super) connection_attempts_succeeded: Counter<u64>,
    pub(super) connection_attempts_failed: Counter<u64>,
    pub(super) open_connections: UpDownCounter<i64>,
    // A91
    pub(super) ejections_enforced: Counter<u64>,
    pub(super) ejections_unenforced: Counter<u64>,
    // A78
    pub(super) endpoint_weights: Histogram<f64>,
}

// === impl Instruments ===

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, unit, description| {
            let builder = meter.u64_counter(name).with_unit(unit);
            builder.with_description(description).build()
        };
        let latencies = |name, description| {
            let builder = meter.f64_histogram(name).with_unit("s");
            let builder = builder.with_boundaries(LATENCIES.to_vec());
            builder.with_description(description).build()
        };
        let counts = |name, unit, boundaries: &[f64], description| {
            let builder = meter.u64_histogram(name).with_unit(unit);
            let builder = builder.with_boundaries(boundaries.to_vec());
            builder.with_description(description).build()
        };
        Self {
            attempt_started: counter(
                "grpc.client.attempt.started",
                "{attempt}",
                "The total number of RPC attempts started, including those that have not completed.",
            ),
            attempt_duration: latencies(
                "grpc.client.attempt.duration",
                "End-to-end time taken to complete an RPC attempt including the time it takes to pick a subchannel.",
            ),
            attempt_sent: counts(
                "grpc.client.attempt.sent_total_compressed_message_size",
                "By",
                &SIZES,
                "Total bytes (compressed but not encrypted) sent across all request messages (metadata excluded) per RPC attempt; does not include grpc or transport framing bytes.",
            ),
            attempt_received: counts(
                "grpc.client.attempt.rcvd_total_compressed_message_size",
                "By",
                &SIZES,
                "Total bytes (compressed but not encrypted) received across all response messages (metadata excluded) per RPC attempt; does not include grpc or transport framing bytes.",
            ),
            call_duration: latencies(
                "grpc.client.call.duration",
                "End-to-end time the gRPC library takes to complete an RPC from the application's perspective.",
            ),
            call_retries: counts(
                "grpc.client.call.retries",
                "{retry}",
                &RETRIES,
                "EXPERIMENTAL. Number of retries during the client call. If there were no retries, 0 is not reported.",
            ),
            call_transparent_retries: counts(
                "grpc.client.call.transparent_retries",
                "{transparent_retry}",
                &TRANSPARENT_RETRIES,
                "EXPERIMENTAL. Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.",
            ),
            call_hedges: counts(
                "grpc.client.call.hedges",
                "{hedge}",
                &RETRIES,
                "EXPERIMENTAL. Number of hedges during the client call. If there were no hedges, 0 is not reported.",
            ),
            call_retry_delay: latencies(
                "grpc.client.call.retry_delay",
                "EXPERIMENTAL. Total time of delay while there is no active attempt during the client call.",
            ),
            disconnections: counter(
                "grpc.subchannel.disconnections",
                "{disconnection}",
                "EXPERIMENTAL. Number of times the selected subchannel becomes disconnected.",
            ),
            connection_attempts_succeeded: counter(
                "grpc.subchannel.connection_attempts_succeeded",
                "{attempt}",
                "EXPERIMENTAL. Number of successful connection attempts.",
            ),
            connection_attempts_failed: counter(
                "grpc.subchannel.connection_attempts_failed",
                "{attempt}",
                "EXPERIMENTAL. Number of failed connection attempts.",
            ),
            open_connections: meter
                .i64_up_down_counter("grpc.subchannel.open_connections")
                .with_unit("{connection}")
                .with_description("EXPERIMENTAL. Number of open connections.")
                .build(),
            ejections_enforced: counter(
                "grpc.lb.outlier_detection.ejections_enforced",
                "{ejection}",
                "EXPERIMENTAL. Enforced outlier ejections by detection method.",
            ),
            ejections_unenforced: counter(
                "grpc.lb.outlier_detection.ejections_unenforced",
                "{ejection}",
                "EXPERIMENTAL. Unenforced outlier ejections, by detection method and the reason the ejection was not enforced.",
            ),
            endpoint_weights: meter
                .f64_histogram("grpc.lb.wrr.endpoint_weights")
                .with_unit("{weight}")
                .with_description(
                    "EXPERIMENTAL. Weight of each endpoint, recorded on every scheduler update.",
                )
                .build(),
        }
    }
}
