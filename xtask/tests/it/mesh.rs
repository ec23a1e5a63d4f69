//! The mesh side of the manifests: what Istio would make of them, seen in a real Envoy, and what each
//! component changes.
//!
//! Istio's sidecar is Envoy, and its routes are the VirtualService's and the DestinationRule's, said in
//! Envoy's words. So the rules of the rendered overlay are put into these words ([`translate`]), a real
//! Envoy ([`envoy`]) is started with them before real servers ([`world`]), and a real client calls.

mod components;
mod envoy;
mod faults;
mod render;
mod replica;
mod retries;
mod routes;
mod translate;
mod world;

/// What a test says that needs a program which this machine does not have.
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
