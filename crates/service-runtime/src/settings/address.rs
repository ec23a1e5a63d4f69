//! Socket addresses, for `#[serde(with = "…")]`: like the standard library's, but a refusal says what
//! was expected.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

struct AddressVisitor;

/// Writes an address in the form that [`deserialize`] reads.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

/// Reads an IP address with its port.
///
/// # Errors
/// Anything else; names are not resolved.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_any(AddressVisitor)
}

// === impl AddressVisitor ===

impl Visitor<'_> for AddressVisitor {
    type Value = SocketAddr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an IP address with its port, such as \"0.0.0.0:50051\" or \"[::]:50051\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// The same, where `"off"` means none.
pub mod or_off {
    use std::fmt;
    use std::net::SocketAddr;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use super::AddressVisitor;

    struct OrOffVisitor;

    /// Writes an address, or `"off"`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        address: &Option<SocketAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str("off"),
        }
    }

    /// Reads an IP address with its port, or `"off"`.
    ///
    /// # Errors
    /// Anything else; names are not resolved.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        deserializer.deserialize_any(OrOffVisitor)
    }

    // === impl OrOffVisitor ===

    impl Visitor<'_> for OrOffVisitor {
        type Value = Option<SocketAddr>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            AddressVisitor.expecting(f)?;
            f.write_str(", or \"off\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            match text {
                "off" => Ok(None),
                _ => AddressVisitor.visit_str(text).map(Some),
            }
        }
    }
}
