//! Which servers there are, and how each is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::build::Programs;
use super::ground::Ground;
use super::load::Aim;
use super::process::{BOTH, MEASURED, pinned};
use super::token::{AUDIENCE, Algorithm, ISSUER};
use super::variants::Variant;

/// What every other row is divided by.
pub(super) const BASE: &str = "tonic, bare";

/// The measured server, as its variants are.
pub(super) const OURS: &str = "ours, HS256";

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Where it runs.
    cores: &'static str,
    variant: Option<Variant>,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tonic(&'static str),
    Ours {
        algorithm: Algorithm,
        tls: bool,
        /// `runtime.shape`.
        shape: &'static str,
    },
    Go(Option<Algorithm>),
}

/// Where the measured servers listen; the next port is the one of their metrics.
pub(super) const PORT: u16 = 21_190;

/// All of them.
pub(super) fn all() -> Vec<Row> {
    let shaped = |algorithm, tls, shape| Kind::Ours {
        algorithm,
        tls,
        shape,
    };
    let ours = |algorithm, tls| shaped(algorithm, tls, "multi-thread");
    let row = |name: &str, kind| Row {
        name: name.to_owned(),
        kind,
        cores: MEASURED,
        variant: None,
    };
    vec![
        row(BASE, Kind::Tonic("multi-thread")),
        row("tonic, bare, a runtime per core", Kind::Tonic("per-core")),
        row(OURS, ours(Algorithm::Hs256, false)),
        row("ours, HS256, TLS", ours(Algorithm::Hs256, true)),
        row(
            "ours, HS256, a runtime per core",
            shaped(Algorithm::Hs256, false, "per-core"),
        ),
        row("ours, EdDSA", ours(Algorithm::EdDsa, false)),
        row("grpc-go, bare", Kind::Go(None)),
        row("grpc-go, featured, HS256", Kind::Go(Some(Algorithm::Hs256))),
        row("grpc-go, featured, EdDSA", Kind::Go(Some(Algorithm::EdDsa))),
    ]
}

/// The measured server in both shapes of its runtime, on every core: on one they are the same.
pub(super) fn shapes() -> [Row; 2] {
    ["multi-thread", "per-core"].map(|shape| Row {
        name: shape.to_owned(),
        kind: Kind::Ours {
            algorithm: Algorithm::Hs256,
            tls: false,
            shape,
        },
        cores: BOTH,
        variant: None,
    })
}

// === impl Row ===

impl Row {
    /// The measured server in another way.
    pub(super) fn of(variant: &Variant) -> Self {
        Self {
            name: variant.name.clone(),
            kind: Kind::Ours {
                algorithm: Algorithm::Hs256,
                tls: false,
                shape: "multi-thread",
            },
            cores: MEASURED,
            variant: Some(variant.clone()),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours { .. })
    }

    pub(super) fn address() -> SocketAddr {
        ([127, 0, 0, 1], PORT).into()
    }

    /// The program; `None` where it cannot be built.
    pub(super) fn program<'a>(&'a self, programs: &'a Programs) -> Option<&'a PathBuf> {
        match self.kind {
            Kind::Tonic(_) => Some(&programs.bare_tonic),
            Kind::Ours { .. } => {
                let other = self.variant.as_ref().and_then(|it| it.program.as_ref());
                Some(other.unwrap_or(&programs.server))
            }
            Kind::Go(_) => programs.go.as_ref(),
        }
    }

    /// How the program is started.
    pub(super) fn command(&self, program: &std::path::Path, ground: &Ground) -> Command {
        let address = Self::address().to_string();
        let metrics = SocketAddr::from(([127, 0, 0, 1], PORT + 1)).to_string();
        let mut command = pinned(self.cores, program);
        // The settings of the operator's own server are none of the bench's.
        command.current_dir(ground.folder()).env_clear();
        match self.kind {
            Kind::Tonic(shape) => {
                command.args([&address, shape]);
            }
            Kind::Ours { tls, shape, .. } => {
                command.args(["--set", &format!("runtime.shape={shape}")]);
                command.args(["--config", "server.toml", "--address", &address]);
                command.args(["--ops-address", &metrics]);
                if tls {
                    command.args(["--set", "server.tls.mode=tls"]);
                    command.args(["--set", "server.tls.certificate=tls/server.crt"]);
                    command.args(["--set", "server.tls.private_key=tls/server.key"]);
                }
                let settings = self.variant.iter().flat_map(|it| &it.settings);
                settings.for_each(|setting| {
                    command.args(["--set", setting]);
                });
            }
            Kind::Go(None) => {
                command.args(["serve", &address, "bare"]);
            }
            Kind::Go(Some(_)) => {
                let rest = ["keys.json", ISSUER, AUDIENCE, &metrics];
                command.args(["serve", &address, "featured"]).args(rest);
            }
        }
        command
    }

    /// What it is asked for, one record by its id.
    pub(super) fn unary(&self, ground: &Ground) -> Aim {
        self.aim(ground, "GetUser", "Get", "unary")
    }

    /// The same in a stream.
    pub(super) fn stream(&self, ground: &Ground) -> Aim {
        self.aim(ground, "LookupUsers", "Lookup", "stream")
    }

    fn aim(&self, ground: &Ground, ours: &str, theirs: &str, suffix: &str) -> Aim {
        let path = match self.kind {
            Kind::Ours { .. } => format!("/user.v1.UserService/{ours}"),
            _ => format!("/bench.v1.Records/{theirs}"),
        };
        let name = if self.is_ours() { "ours" } else { "any" };
        let (tls, algorithm) = match self.kind {
            Kind::Ours { tls, algorithm, .. } => (tls, Some(algorithm)),
            Kind::Go(algorithm) => (false, algorithm),
            Kind::Tonic(_) => (false, None),
        };
        Aim {
            address: Self::address(),
            tls,
            path,
            body: ground.path(&format!("{name}.{suffix}")),
            token: algorithm.map(|it| ground.token(it)),
        }
    }
}
