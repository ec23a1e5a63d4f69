//! Who is calling, and may they: authentication and authorisation of every call, unary or streaming.
//!
//! | module | what it gives |
//! |---|---|
//! | [`basic`] | names with passwords |
//! | [`jwt`] | bearer tokens |
//! | [`policy`] | which permission a method needs, and who has it |
//! | [`caller`] | the [`Caller`] that handlers find in a request's extensions |
//! | [`layer`] | where a call meets all this |
//! | [`refusal`] | what refused callers are told |
//!
//! The authenticators that the settings name are asked in their order. The first one that finds
//! credentials of its kind decides: bad ones are refused, and not given a second chance by another
//! kind. Then the policy decides; what it does not mention is denied. Health checks are open, because
//! probes have no credentials.
//!
//! Files are read again when they change. Permissions are looked up on every call, so that a grant that
//! is taken away is gone with the next one.

pub mod basic;
pub mod caller;
pub mod jwt;
pub mod layer;
mod memory;
pub mod policy;
mod readiness;
mod recent;
pub mod refusal;
mod reload;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Request, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::basic::Basic;
pub use self::caller::{Caller, Principal};
use self::jwt::Jwt;
pub use self::memory::NoRandomness;
use self::policy::{Decision, Policy, PolicyError};
use self::recent::Recent;
use self::refusal::Refusal;
pub use self::reload::FileError;
use self::reload::{Parse, Reloaded};
use crate::methods::Method;
use crate::settings::Violations;
use crate::tls::peer::Peer;

/// The longest credentials that are looked at, in bytes. Tokens with many groups reach 4 KiB.
const LONGEST_CREDENTIALS: usize = 8 << 10;

/// What begins the paths of the health service (`grpc.health.v1`), which is open to all.
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/";

/// What begins the paths of server reflection, in both of its versions.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Whether and how callers have to prove who they are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"off"` lets everybody call everything, for development; `"required"` asks for credentials and
    /// for permissions.
    pub mode: Mode,
    /// Which credentials are accepted, in the order in which they are looked for: `"mtls"`, `"jwt"`,
    /// `"basic"`.
    pub authenticators: Vec<Kind>,
    /// The file of the policy (TOML): which permission each method needs, and who has it.
    pub policy: PathBuf,
    /// Whether server reflection is open to all. Otherwise the policy has to cover it, if it is served.
    pub open_reflection: bool,
    /// Names with passwords.
    pub basic: basic::Config,
    /// Bearer tokens.
    pub jwt: jwt::Config,
}

/// Whether credentials are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everybody may call everything.
    #[default]
    Off,
    /// Only known callers may call, and only what the policy permits.
    Required,
}

/// A kind of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The certificate of the connection; needs `server.tls.mode = "mtls"`.
    Mtls,
    /// A bearer token.
    Jwt,
    /// A name with a password.
    Basic,
}

/// Lets calls in, or not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard(Option<Arc<Inner>>);

/// Why no call can be guarded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See the source.
    #[error("the passwords of the setting auth.basic.file cannot be used")]
    Passwords(#[source] FileError),
    /// See the source.
    #[error("the keys of the setting auth.jwt.jwks cannot be used")]
    Keys(#[source] FileError),
    /// The URL is one that must not be used.
    #[error("the keys of the setting auth.jwt.jwks_url may not be fetched from there")]
    KeysUrl,
    /// See there.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// See the source.
    #[error("the policy of the setting auth.policy cannot be used")]
    Policy(#[source] FileError),
    /// Methods are served that nobody could call.
    #[error(
        "the policy {} says nothing about {}; it has to say which permission each method needs",
        path.display(),
        methods.join(", ")
    )]
    Uncovered {
        /// The policy.
        path: PathBuf,
        /// Their paths.
        methods: Vec<String>,
    },
}

struct Inner {
    authenticators: Vec<Authenticator>,
    policy: Reloaded<Policy>,
    /// Whether reflection is open.
    open_reflection: bool,
}

enum Authenticator {
    Mtls,
    Jwt(Jwt),
    Basic(Basic),
}

/// What an authenticator says to a call.
enum Checked {
    /// There are no credentials of this kind.
    NotMine,
    Known(Caller),
    Refused(Refusal),
    /// It takes work on another thread.
    Later(Pending),
}

type Pending = Pin<Box<dyn Future<Output = Result<Caller, Refusal>> + Send>>;

/// What is to be done with a call.
enum Verdict {
    /// Nobody is asked.
    Open,
    LetIn(Caller),
    Refused(Option<Caller>, Refusal),
    Later(Pending),
}

/// Reads policies, and holds new ones against the methods that are served.
struct PolicyReader {
    methods: Vec<Method>,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot. `mtls` tells whether connections have client certificates.
    pub fn validate(&self, mtls: bool, violations: &mut Violations) {
        if self.mode == Mode::Off {
            return;
        }
        let uses = |kind| self.authenticators.contains(&kind);
        let distinct: HashSet<_> = self.authenticators.iter().map(|it| *it as u8).collect();
        violations.expect(
            !self.authenticators.is_empty() && distinct.len() == self.authenticators.len(),
            "authenticators",
            "at least one of \"mtls\", \"jwt\" and \"basic\", each once, since mode is \"required\"",
        );
        violations.expect(
            mtls || !uses(Kind::Mtls),
            "authenticators",
            "no \"mtls\", since server.tls.mode asks clients for no certificate",
        );
        violations.expect(
            !self.policy.as_os_str().is_empty(),
            "policy",
            "the path of a TOML file, since mode is \"required\"",
        );
        if uses(Kind::Basic) {
            violations.section("basic", |it| self.basic.validate(it));
        }
        if uses(Kind::Jwt) {
            violations.section("jwt", |it| self.jwt.validate(it));
        }
    }

    /// Reads the files and follows them; `methods` are those that are served. Says in the log whether
    /// the server is open. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used, or the policy does not cover every method.
    pub fn start(&self, methods: &[Method]) -> Result<Guard, Error> {
        if self.mode == Mode::Off {
            tracing::warn!(
                "anybody may call every method: auth.mode is \"off\"; \"required\" asks for credentials"
            );
            return Ok(Guard::open());
        }
        let authenticators: Result<Vec<_>, Error> = self
            .authenticators
            .iter()
            .map(|kind| match kind {
                Kind::Mtls => Ok(Authenticator::Mtls),
                Kind::Jwt => Jwt::start(&self.jwt).map(Authenticator::Jwt),
                Kind::Basic => Basic::start(&self.basic)
                    .map(Authenticator::Basic)
                    .map_err(Error::Passwords),
            })
            .collect();
        let open_reflection = self.open_reflection;
        let methods: Vec<Method> = methods
            .iter()
            .filter(|method| !is_open(&method.path, open_reflection))
            .cloned()
            .collect();
        let policy = self.policy(&methods)?;
        Ok(Guard(Some(Arc::new(Inner {
            authenticators: authenticators?,
            policy,
            open_reflection,
        }))))
    }

    fn policy(&self, methods: &[Method]) -> Result<Reloaded<Policy>, Error> {
        let reader = PolicyReader {
            methods: methods.to_vec(),
        };
        let policy = Reloaded::start("policy", &self.policy, reader).map_err(Error::Policy)?;
        let uncovered = policy.current().uncovered(methods).join("\n");
        if uncovered.is_empty() {
            return Ok(policy);
        }
        Err(Error::Uncovered {
            path: self.policy.clone(),
            methods: uncovered.lines().map(str::to_owned).collect(),
        })
    }
}

// === impl Guard ===

impl Guard {
    /// Lets everybody in.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    fn check<B>(&self, call: &Request<B>, recent: &mut Recent) -> Verdict {
        match &self.0 {
            Some(inner) => inner.check(call, recent),
            None => Verdict::Open,
        }
    }

    /// Whether the policy lets this caller call this method.
    fn authorise(&self, caller: &Caller, path: &str) -> Result<(), Refusal> {
        let Some(inner) = &self.0 else { return Ok(()) };
        match inner.policy.current().decide(caller, path) {
            Decision::Permitted => Ok(()),
            Decision::Missing(permission) => Err(Refusal::Permission(permission.to_owned())),
            Decision::NotCovered => Err(Refusal::NotCovered),
        }
    }
}

fn is_open(path: &str, open_reflection: bool) -> bool {
    path.starts_with(HEALTH) || open_reflection && REFLECTION.iter().any(|it| path.starts_with(it))
}

/// What stands after the scheme in the header `authorization`, if it is this one.
fn scheme<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b" ")?;
    // RFC 9110, section 11.1: schemes are the same in any case.
    scheme
        .eq_ignore_ascii_case(name.as_bytes())
        .then(|| rest.trim_ascii())
}

// === impl Inner ===

impl Inner {
    fn check<B>(&self, call: &Request<B>, recent: &mut Recent) -> Verdict {
        if is_open(call.uri().path(), self.open_reflection) {
            return Verdict::Open;
        }
        // RFC 9110, section 5.3: it is no list. Of two, whoever is in between may have read the other.
        if call.headers().get_all(header::AUTHORIZATION).iter().count() > 1 {
            let cause = "more than one header authorization";
            return Verdict::Refused(None, Refusal::Invalid(cause));
        }
        let now = Timestamp::now();
        for authenticator in &self.authenticators {
            match authenticator.check(call, now, recent) {
                Checked::NotMine => {}
                Checked::Known(caller) => return Verdict::LetIn(caller),
                Checked::Refused(refusal) => return Verdict::Refused(None, refusal),
                Checked::Later(pending) => return Verdict::Later(pending),
            }
        }
        Verdict::Refused(None, Refusal::Missing)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

// === impl Authenticator ===

impl Authenticator {
    fn check<B>(&self, call: &Request<B>, now: Timestamp, recent: &mut Recent) -> Checked {
        match self {
            Self::Jwt(jwt) => jwt.check(call.headers(), now, recent),
            Self::Basic(basic) => basic.check(call.headers(), now),
            Self::Mtls => match call.extensions().get::<Arc<Peer>>() {
                Some(peer) if peer.spiffe_id.is_some() || !peer.dns_names.is_empty() => {
                    Checked::Known(recent.peer(peer))
                }
                _ => Checked::NotMine,
            },
        }
    }
}

// === impl PolicyReader ===

impl Parse for PolicyReader {
    type Output = Policy;
    type Error = PolicyError;

    fn parse(&self, text: &str) -> Result<Policy, PolicyError> {
        let policy = Policy::parse(text)?;
        // At the start it is an error; later the methods are denied, and the log says so.
        for method in policy.uncovered(&self.methods) {
            tracing::warn!(
                method,
                "the policy does not cover a method; nobody may call it"
            );
        }
        Ok(policy)
    }
}
