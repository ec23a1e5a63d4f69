//! The name of what a channel connects to, parsed.
//!
//! gRPC's [naming] decides the syntax, so that a target can be moved between languages.
//!
//! [naming]: https://github.com/grpc/grpc/blob/master/doc/naming.md

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

use http::uri::Authority;

use crate::resolver::Address;
#[cfg(feature = "kubernetes")]
use crate::resolver::kubernetes;

/// A parsed target.
///
/// | syntax | meaning |
/// |---|---|
/// | `dns:///name:port`, `dns:name:port`, `name:port` | all addresses of a name |
/// | `dns://server:port/name:port` | the same, asking that DNS server |
/// | `dns+srv:///_port._tcp.name`, `dns+srv://server:port/_port._tcp.name` | the hosts and ports of its SRV records |
/// | `ipv4:address:port,address:port` | these addresses |
/// | `ipv6:[address]:port,[address]:port` | these addresses |
/// | `k8s:///service.namespace:port` | the ready pods of a Service, at a port's number or name |
/// | `unix:path`, `unix:///absolute/path` | a Unix socket |
///
/// A name that ends with a dot is absolute: the search domains of `resolv.conf` are not tried. The
/// dot is no part of the `:authority` that servers see. A name that is in the hosts file is taken from
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    authority: Authority,
    kind: Kind,
}

/// What kind of name a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name to ask DNS for.
    Dns {
        /// The server to ask instead of those that `resolv.conf` lists.
        server: Option<SocketAddr>,
        host: String,
        port: u16,
    },
    /// A name to ask DNS for SRV records.
    Srv {
        /// As for [`Kind::Dns`].
        server: Option<SocketAddr>,
        name: String,
    },
    /// A Service of Kubernetes, whose EndpointSlices are watched.
    #[cfg(feature = "kubernetes")]
    Kubernetes {
        service: String,
        namespace: String,
        port: kubernetes::Port,
    },
    /// Addresses that never change.
    Fixed(Vec<Address>),
}

/// Why a text is no target. The message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the target {target:?} is not valid: {problem}")]
pub(crate) struct TargetError {
    target: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("it is empty; expected for example dns:///name:port")]
    Empty,
    #[error(
        "the scheme {0:?} is not known; expected dns:///name:port, dns+srv:///_port._tcp.name, ipv4:address:port, ipv6:[address]:port or unix:path"
    )]
    Scheme(String),
    #[error("{0:?} has no port; expected name:port")]
    NoPort(String),
    #[error("the port {0:?} is not a number from 1 to 65535")]
    Port(String),
    #[error(
        "the DNS server {0:?} is not an address; expected dns://address:port/name:port, or three slashes for the system's own"
    )]
    Server(String),
    #[error("{0:?} is not a host name")]
    Host(String),
    #[error(
        "{0:?} is not the name of SRV records; expected for example dns+srv:///_grpc._tcp.name, without a port"
    )]
    Srv(String),
    #[cfg(feature = "kubernetes")]
    #[error(
        "{0:?} is no Service; expected k8s:///service.namespace:port, where port is a number or a name"
    )]
    Service(String),
    #[cfg(not(feature = "kubernetes"))]
    #[error("the scheme \"k8s\" needs the feature kubernetes of grpc-channel")]
    NoKubernetes,
    #[error("{0:?} is not the path of a Unix socket; expected unix:path or unix:///absolute/path")]
    #[cfg(unix)]
    Path(String),
    #[error(
        "{0:?} is not an IPv4 address with a port; expected for example ipv4:10.0.0.1:50051,10.0.0.2:50051"
    )]
    V4(String),
    #[error(
        "{0:?} is not an IPv6 address with a port; expected for example ipv6:[2001:db8::1]:50051"
    )]
    V6(String),
}

// === impl Target ===

impl Target {
    /// The target as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// What `:authority` is sent, and what a certificate must be for: never a replica's address
    /// when a name was given.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text).map_err(|problem| TargetError {
            target: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Target, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let (kind, authority) = match text.split_once(':') {
        Some(("dns", rest)) => dns(rest)?,
        Some(("dns+srv", rest)) => srv(rest)?,
        #[cfg(feature = "kubernetes")]
        Some(("k8s", rest)) => service(rest)?,
        #[cfg(not(feature = "kubernetes"))]
        Some(("k8s", rest)) if rest.starts_with("//") => return Err(Problem::NoKubernetes),
        #[cfg(unix)]
        Some(("unix", rest)) => unix(rest)?,
        Some(("ipv4", rest)) => fixed(rest, Problem::V4, SocketAddr::is_ipv4)?,
        Some(("ipv6", rest)) => fixed(rest, Problem::V6, SocketAddr::is_ipv6)?,
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(Problem::Scheme(scheme.to_owned()));
        }
        _ => named(text, None)?,
    };
    Ok(Target {
        text: text.to_owned(),
        authority,
        kind,
    })
}

/// What follows `dns:`, which is `//server/name:port` or `name:port`.
fn dns(rest: &str) -> Result<(Kind, Authority), Problem> {
    let (server, endpoint) = split_server(rest)?;
    named(endpoint, server)
}

/// What follows `dns+srv:`, which is `//server/_port._protocol.name` or `_port._protocol.name`. The
/// authority is the name that the records belong to, not one of their targets (RFC 6125, section
/// 6.2.1: only what the caller wrote can be verified).
fn srv(rest: &str) -> Result<(Kind, Authority), Problem> {
    let (server, name) = split_server(rest)?;
    let problem = || Problem::Srv(name.to_owned());
    let relative = name.strip_suffix('.').unwrap_or(name);
    let mut labels = relative.splitn(3, '.');
    let (Some(port), Some(protocol), Some(host)) = (labels.next(), labels.next(), labels.next())
    else {
        return Err(problem());
    };
    let underscored = |label: &str| label.len() > 1 && label.starts_with('_');
    if !underscored(port) || !underscored(protocol) || !is_host(relative) {
        return Err(problem());
    }
    let kind = Kind::Srv {
        server,
        name: name.to_owned(),
    };
    Ok((kind, authority(host)?))
}

/// What follows `k8s:`. The authority is the name that the Service has in the cluster's DNS, so that
/// certificates and virtual hosts need not know how it was resolved.
#[cfg(feature = "kubernetes")]
fn service(rest: &str) -> Result<(Kind, Authority), Problem> {
    let problem = || Problem::Service(rest.to_owned());
    let (name, port) = rest
        .strip_prefix("///")
        .and_then(|rest| rest.rsplit_once(':'))
        .ok_or_else(problem)?;
    let (service, namespace) = name.split_once('.').ok_or_else(problem)?;
    if namespace.contains('.') || !is_host(name) {
        return Err(problem());
    }
    let host = format!("{name}.svc");
    let (port, authority) = match port.parse::<u16>() {
        Ok(0) => return Err(problem()),
        Ok(number) => (
            kubernetes::Port::Number(number),
            authority(&format!("{host}:{number}"))?,
        ),
        // The names of ports are those of RFC 6335, section 5.1.
        Err(_) => {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let lettered = port.contains(|c: char| c.is_ascii_lowercase());
            if port.len() > 15 || !lettered || !port.chars().all(allowed) {
                return Err(problem());
            }
            (kubernetes::Port::Name(port.to_owned()), authority(&host)?)
        }
    };
    let kind = Kind::Kubernetes {
        service: service.to_owned(),
        namespace: namespace.to_owned(),
        port,
    };
    Ok((kind, authority))
}

/// What follows `unix:`. There is no host; gRPC says `localhost`.
#[cfg(unix)]
fn unix(rest: &str) -> Result<(Kind, Authority), Problem> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(Problem::Path(rest.to_owned())),
        None => rest,
    };
    if path.is_empty() || path.contains('\0') {
        return Err(Problem::Path(rest.to_owned()));
    }
    let address = Address::Unix(PathBuf::from(path));
    let localhost = Authority::from_static("localhost");
    Ok((Kind::Fixed(vec![address]), localhost))
}

/// The DNS server to ask, if one is given, and the rest.
fn split_server(rest: &str) -> Result<(Option<SocketAddr>, &str), Problem> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Ok((None, rest));
    };
    let (server, name) = rest
        .split_once('/')
        .ok_or_else(|| Problem::Server(rest.to_owned()))?;
    let server = match server {
        "" => None,
        server => Some(dns_server(server)?),
    };
    Ok((server, name))
}

fn dns_server(text: &str) -> Result<SocketAddr, Problem> {
    const DNS_PORT: u16 = 53;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse()
        .or_else(|_| bare.parse::<IpAddr>().map(|ip| (ip, DNS_PORT).into()))
        .map_err(|_| Problem::Server(text.to_owned()))
}

/// A `name:port`; a literal address is not looked up.
fn named(text: &str, server: Option<SocketAddr>) -> Result<(Kind, Authority), Problem> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.port() == 0 {
            return Err(Problem::Port("0".to_owned()));
        }
        return Ok((Kind::Fixed(vec![address.into()]), authority(text)?));
    }
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| Problem::NoPort(text.to_owned()))?;
    let port: u16 = match port.parse() {
        Ok(0) | Err(_) => return Err(Problem::Port(port.to_owned())),
        Ok(port) => port,
    };
    let relative = host.strip_suffix('.').unwrap_or(host);
    if !is_host(relative) {
        return Err(Problem::Host(host.to_owned()));
    }
    let kind = Kind::Dns {
        server,
        host: host.to_owned(),
        port,
    };
    Ok((kind, authority(&format!("{relative}:{port}"))?))
}

/// Whether a name, without a final dot, can be asked for.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(allowed)
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn fixed(
    rest: &str,
    problem: fn(String) -> Problem,
    family: fn(&SocketAddr) -> bool,
) -> Result<(Kind, Authority), Problem> {
    let addresses = rest
        .trim_start_matches('/')
        .split(',')
        .map(|text| match text.parse::<SocketAddr>() {
            Ok(address) if family(&address) && address.port() != 0 => Ok(Address::from(address)),
            _ => Err(problem(text.to_owned())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // `split` gives one item at least, and every item became an address.
    let first = addresses[0].to_string();
    Ok((Kind::Fixed(addresses), authority(&first)?))
}

fn authority(text: &str) -> Result<Authority, Problem> {
    text.parse().map_err(|_| Problem::Host(text.to_owned()))
}
