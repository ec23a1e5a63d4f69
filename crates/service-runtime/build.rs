//! Compiles the health protocol with protox, so that building needs no `protoc`.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

const PROTO_ROOT: &str = "proto";
const HEALTH: &str = "grpc/health/v1/health.proto";
const WORKLOAD: &str = "spiffe/workload.proto";

/// The messages that tonic-health has already; only what it lacks is generated.
const FROM_TONIC_HEALTH: [(&str, &str); 2] = [
    (
        ".grpc.health.v1.HealthCheckRequest",
        "::tonic_health::pb::HealthCheckRequest",
    ),
    (
        ".grpc.health.v1.HealthCheckResponse",
        "::tonic_health::pb::HealthCheckResponse",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");

    let descriptors = protox::compile([HEALTH], [PROTO_ROOT])?;
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(
        out_dir.join("descriptors.binpb"),
        descriptors.encode_to_vec(),
    )?;
    FROM_TONIC_HEALTH
        .into_iter()
        .fold(tonic_prost_build::configure(), |builder, (proto, rust)| {
            builder.extern_path(proto, rust)
        })
        .compile_fds(descriptors)?;

    // What the tests' own Workload API speaks; the library has it from the crate spiffe.
    if std::env::var_os("CARGO_FEATURE_WORKLOAD_API").is_some() {
        tonic_prost_build::configure()
            .build_client(false)
            .compile_fds(protox::compile([WORKLOAD], [PROTO_ROOT])?)?;
    }
    Ok(())
}
