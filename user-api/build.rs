//! Compiles `proto/` with protox, so that building needs no `protoc` (docs/adr/0002-protox.md).

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;

const PROTO_ROOT: &str = "proto";
const ENTRY_POINT: &str = "user/v1/user_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");

    let descriptors = protox::compile([ENTRY_POINT], [PROTO_ROOT])?;
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    write_if_changed(
        &out_dir.join("descriptors.binpb"),
        &descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes)
}
