//! What the peers share: the contract, and the record that all of them answer with.

/// The generated code of `proto/bench.proto`.
#[allow(
    missing_docs,
    clippy::pedantic,
    reason = "generated code is what its generator makes of it"
)]
pub mod v1 {
    tonic::include_proto!("bench.v1");
}

/// As long, field by field, as what the measured service answers.
#[must_use]
pub fn record(id: String) -> v1::Record {
    let time = prost_types::Timestamp {
        seconds: 1_780_000_000,
        nanos: 123_456_789,
    };
    v1::Record {
        id,
        display_name: "Ada Lovelace".to_owned(),
        email: "ada@example.com".to_owned(),
        age: Some(36),
        create_time: Some(time),
        update_time: Some(time),
        etag: "\"AZrX8mWq0Qk\"".to_owned(),
    }
}
