//! TLS between real sockets, with certificates made here.

mod certificates;
mod client;
mod files;
mod refusals;
mod reload;
mod rotation;
mod telemetry;
mod tools;
mod traces;
mod trust;
#[cfg(feature = "workload-api")]
mod workload;
