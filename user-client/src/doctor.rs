//! Why calls do not get through, or do not spread: one question after the other, each with an answer
//! and with what to do next.
//!
//! It exists because the answers are usually found by hand, with `nslookup`, `openssl s_client`,
//! `grpcurl` and `kubectl`, by somebody who knows where to look. The questions:
//!
//! | module | question |
//! |---|---|
//! | [`name`] | does the name resolve, to how many addresses, with what TTL? |
//! | [`search`] | do search domains cost queries? |
//! | [`cluster_ip`] | is it a Service's cluster IP, or another balancer, by mistake? |
//! | [`connection`] | does each address accept? |
//! | [`tls`] | does each speak TLS, under the right name, with a chain that is trusted? |
//! | [`certificate`] | for how long is each certificate valid? |
//! | [`http2`] | does each speak HTTP/2? |
//! | [`health`] | is each SERVING, by its own word? |
//! | [`spread`] | do calls spread over all of them? |
//! | [`sidecar`] | does a sidecar balance as well? |
//!
//! A module has what is known (facts), how it is found out, and a pure function from facts to a
//! [`Finding`]; [`examination`] puts them in order, and [`report`] writes them down.

pub mod certificate;
pub mod cluster_ip;
pub mod connection;
pub mod examination;
pub mod finding;
pub mod health;
pub mod http2;
pub mod kubectl;
pub mod name;
pub mod probe;
pub mod report;
pub mod search;
pub mod sidecar;
pub mod spread;
mod survey;
pub mod tls;

pub use self::examination::examine;
pub use self::finding::{Finding, Outcome, Question};
pub use self::report::Report;
