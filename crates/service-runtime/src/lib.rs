//! What every gRPC service process needs around its own code, whatever the service does.
//!
//! | module | what it gives |
//! |---|---|
//! | [`settings`] | defaults → TOML file → environment → flags, with every problem named |
//! | [`chain`] | an error and its causes as one text |
//! | [`logs`] | `tracing` to standard error, as text or JSON |
//! | [`telemetry`] | metrics: the instruments, and what `/metrics` shows; traces: where spans go |
//! | [`health`] | `grpc.health.v1`, told by a [`health::Reporter`] |
//! | [`readiness`] | the checks that decide whether this replica wants calls |
//! | [`server`] | HTTP/2 connections that age, drain and end: `Config → Bound → Running` |
//! | [`auth`] | who is calling, and may they |
//! | [`limits`] | how much one caller, and all of them, may ask for |
//! | [`faults`] | trouble on purpose, so that one sees what it sets off |
//! | [`methods`] | what is served, as its descriptors tell |
//! | [`tls`] | identities from files that are replaced while the process runs |
//! | [`layers`] | what happens to every call, in one fixed order |
//! | [`runtime`] | how the threads of the process share the work |
//! | [`routes`] | the way of a call to its service |
//! | [`ops`] | plain HTTP for probes and operators, on its own port |
//! | [`web`] | the same routes for browsers: gRPC-Web and CORS, on its own port |
//! | [`stop`] | who may ask the process to stop: signals, standard input, tests |
//! | [`drain`] | the order in which a process stops |
//!
//! The path of a call: [`server`] accepts its connection and adds the peer's address →
//! [`layers`] give it a request id, watch it, catch its panics, and ask [`auth`], [`limits`] and
//! [`faults`] → the service's own routes → back through the layers, which name the replica and write the log line.
//!
//! The path of a setting: [`settings::Loader`] merges it from its layers → the `Config` of the module
//! that it belongs to → that module, at start. Nothing reads the environment later.

pub mod auth;
pub mod chain;
pub mod drain;
pub mod faults;
mod framing;
pub mod health;
pub mod layers;
pub mod limits;
pub mod logs;
pub mod methods;
pub mod ops;
pub mod readiness;
mod repeats;
pub mod routes;
pub mod runtime;
pub mod server;
pub mod settings;
pub mod stop;
pub mod telemetry;
pub mod tls;
mod watch;
pub mod web;
