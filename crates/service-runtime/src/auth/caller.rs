//! Who is calling: what an authenticator found out, and nothing that was only claimed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::tls::peer::Peer;

/// Who is calling. It is in the extensions of every request that was let in by its credentials; no
/// header can put it there. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    principal: Principal,
    /// What it displays as, once somebody has asked: limits ask on every call.
    name: OnceLock<Arc<str>>,
}

/// How the caller proved who it is, and what was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// By a name and its password.
    Basic {
        /// The name.
        name: String,
    },
    /// By a JSON Web Token (RFC 7519).
    Jwt {
        /// Its `sub`.
        subject: String,
        /// What its claims that are texts, or lists of texts, say; `scope` is split at its spaces
        /// (RFC 8693, section 4.2).
        claims: BTreeMap<String, Vec<String>>,
    },
    /// By the certificate of its connection.
    Mtls(Arc<Peer>),
}

// === impl Caller ===

impl Caller {
    /// What was proved.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// What it displays as; made once.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.0.name.get_or_init(|| self.to_string().into())
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self(Arc::new(Inner {
            principal,
            name: OnceLock::new(),
        }))
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.principal() == other.principal()
    }
}

impl Eq for Caller {}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(self.principal()).finish()
    }
}

/// The way of proof and the name: `basic:reporting`, `jwt:job-7`,
/// `mtls:spiffe://cluster.local/ns/shop/sa/web`. It is different for different callers.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.principal() {
            Principal::Basic { name } => write!(f, "basic:{name}"),
            Principal::Jwt { subject, .. } => write!(f, "jwt:{subject}"),
            Principal::Mtls(peer) => {
                f.write_str("mtls:")?;
                match &peer.spiffe_id {
                    Some(id) => write!(f, "{id}"),
                    None => f.write_str(&peer.dns_names.join(",")),
                }
            }
        }
    }
}
