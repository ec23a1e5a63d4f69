//! The addresses of one host, of which one family may fail without the other.
//!
//! hickory asks for A and AAAA at the same time, and when one of the two fails, the answer to the
//! other is the whole answer. A family that is missing although it was known is therefore asked for
//! once more, by itself: what is gone is taken out, and what could not be asked for is kept.

use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::srv::Hosts;

/// What is known of a host.
#[derive(Debug)]
pub(super) struct Host {
    /// Its whole name, with the search domain that it was found in.
    pub(super) name: Name,
    pub(super) ips: Vec<IpAddr>,
    pub(super) valid_until: std::time::Instant,
}

// === impl Host ===

impl Host {
    /// Asks for the addresses of `host`, of which `known` may be some. Asking for a missing family
    /// ends at `until`.
    pub(super) async fn look_up(
        resolver: &TokioResolver,
        host: &str,
        known: &Hosts,
        until: Instant,
    ) -> Result<Self, NetError> {
        let found = resolver.lookup_ip(host).await?;
        let mut name = found.query().name().clone();
        name.set_fqdn(true);
        let mut host = Self {
            ips: found.iter().collect(),
            valid_until: found.valid_until(),
            name,
        };
        if let Some(known) = known.get(&host.name).filter(|_| !host.ips.is_empty()) {
            for family in [RecordType::A, RecordType::AAAA] {
                host.complete(resolver, family, known, until).await;
            }
        }
        Ok(host)
    }

    /// Adds the addresses of a family that was known and is missing, unless they are gone.
    async fn complete(
        &mut self,
        resolver: &TokioResolver,
        family: RecordType,
        known: &[IpAddr],
        until: Instant,
    ) {
        let belongs = |ip: &&IpAddr| ip.is_ipv4() == (family == RecordType::A);
        let missing: Vec<IpAddr> = known.iter().filter(belongs).copied().collect();
        if missing.is_empty() || self.ips.iter().any(|ip| belongs(&ip)) {
            return;
        }
        let lookup = resolver.lookup(self.name.clone(), family);
        match tokio::time::timeout_at(until, lookup).await {
            Ok(Ok(found)) => {
                let records = found.answers().iter();
                self.ips
                    .extend(records.filter_map(|record| record.data.ip_addr()));
                self.valid_until = self.valid_until.min(found.valid_until());
            }
            Ok(Err(error)) if is_absent(&error) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::debug!(
                    name = %self.name,
                    %family,
                    "could not be asked for; the addresses that are known are kept",
                );
                self.ips.extend(missing);
            }
        }
    }
}

/// Whether a server said that there is nothing, which is another thing than not answering.
pub(super) fn is_absent(error: &NetError) -> bool {
    let said = |code| matches!(code, ResponseCode::NXDomain | ResponseCode::NoError);
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none)) if said(none.response_code))
}
