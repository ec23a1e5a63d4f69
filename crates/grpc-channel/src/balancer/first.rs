//! The order in which `pick_first` tries its addresses (gRFC [A61]), as a pure state machine.
//!
//! One address after the other, and the next one soon, without waiting for the outcome of the one
//! before: an address that swallows packets costs a quarter of a second and not the connect timeout
//! (happy eyeballs, [RFC 8305]).
//!
//! [A61]: https://github.com/grpc/proposal/blob/master/A61-IPv4-IPv6-dualstack-backends.md
//! [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::resolver::Address;

/// How long an attempt has before the next one begins beside it; A61's connection attempt delay.
const DELAY: Duration = Duration::from_millis(250);

/// One pass over the addresses, from the first attempt until one has succeeded.
#[derive(Debug)]
pub(super) struct Pass {
    left: VecDeque<Address>,
    latest: Option<Address>,
    /// When the next attempt begins even if the latest one has not ended.
    due: Option<Instant>,
}

// === impl Pass ===

impl Pass {
    pub(super) fn new(order: Vec<Address>) -> Self {
        Self {
            left: order.into(),
            latest: None,
            due: None,
        }
    }

    /// The address to try now, if it is time for another; call it until it gives none. `failed`
    /// tells whether an attempt has ended without a connection.
    pub(super) fn next(
        &mut self,
        now: Instant,
        failed: impl FnOnce(&Address) -> bool,
    ) -> Option<Address> {
        let waits = self.due.is_some_and(|due| now < due);
        if waits && self.latest.as_ref().is_some_and(|latest| !failed(latest)) {
            return None;
        }
        self.latest = self.left.pop_front();
        self.due = self.latest.as_ref().map(|_| now + DELAY);
        self.latest.clone()
    }

    /// When to ask again, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.left.is_empty())
    }

    /// Whether every address has been tried.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }
}

/// The two address families by turns, beginning with that of the first address (RFC 8305, section 4):
/// where one family does not work, every second attempt is in the other.
pub(super) fn interleave(addresses: Vec<Address>) -> Vec<Address> {
    let is_ipv6 =
        |address: &Address| matches!(address, Address::Socket(socket) if socket.is_ipv6());
    let Some(begin) = addresses.first().map(is_ipv6) else {
        return addresses;
    };
    let count = addresses.len();
    let (one, other): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| is_ipv6(address) == begin);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        order.extend(one.next());
        order.extend(other.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn address(number: u8) -> Address {
        std::net::SocketAddr::from((Ipv4Addr::new(10, 0, 0, number), 80)).into()
    }

    fn order(count: u8) -> Vec<Address> {
        (0..count).map(address).collect()
    }

    #[test]
    fn the_next_address_is_tried_after_a_quarter_of_a_second() {
        let now = Instant::now();
        let mut pass = Pass::new(order(2));
        assert_eq!(pass.next(now, |_| false), Some(address(0)));
        assert_eq!(pass.next(now, |_| false), None);
        assert_eq!(pass.due(), Some(now + DELAY));
        assert_eq!(pass.next(now + DELAY, |_| false), Some(address(1)));
        assert!(pass.is_over());
        assert_eq!(pass.due(), None, "there is no other");
    }

    #[test]
    fn the_next_address_is_tried_at_once_when_the_latest_has_failed() {
        let now = Instant::now();
        let mut pass = Pass::new(order(3));
        assert_eq!(pass.next(now, |_| false), Some(address(0)));
        let failed = |failed: &Address| *failed == address(0);
        assert_eq!(pass.next(now, failed), Some(address(1)));
        assert_eq!(pass.next(now, failed), None, "the latest one goes on");
        assert!(!pass.is_over());
    }

    #[test]
    fn a_pass_ends_with_the_last_address() {
        let now = Instant::now();
        let mut pass = Pass::new(order(1));
        assert_eq!(pass.next(now, |_| true), Some(address(0)));
        for _ in 0..3 {
            assert_eq!(pass.next(now + DELAY, |_| true), None);
        }
    }

    proptest! {
        #[test]
        fn families_alternate_for_as_long_as_both_are_left(families: Vec<bool>) {
            let addresses: Vec<Address> = families.iter().zip(1u16..).map(|(ipv6, port)| {
                let ip: IpAddr =
                    if *ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
                std::net::SocketAddr::from((ip, port)).into()
            }).collect();
            let is_ipv6 = |a: &Address| matches!(a, Address::Socket(socket) if socket.is_ipv6());
            let result = interleave(addresses.clone());
            prop_assert_eq!(result.first(), addresses.first());
            let fewer = families.iter().filter(|ipv6| **ipv6).count();
            let fewer = fewer.min(families.len() - fewer);
            for pair in result[..2 * fewer].windows(2) {
                prop_assert_ne!(is_ipv6(&pair[0]), is_ipv6(&pair[1]));
            }
            for family in [true, false] {
                let of = |list: &[Address]| -> Vec<Address> {
                    list.iter().filter(|a| is_ipv6(a) == family).cloned().collect()
                };
                prop_assert_eq!(of(&result), of(&addresses), "the order within a family is kept");
            }
        }
    }
}
