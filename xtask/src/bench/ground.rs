//! The files that servers and load need: keys, tokens, the policy, certificates, requests.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::token::{Algorithm, Issuer};
use super::{Error, FOLDER};
use crate::certs;

/// The id that peers are asked for; any will do.
const ANY: &str = "0198e2f4-7c1d-7b2a-9d3e-5f6a7b8c9d0e";

/// How many questions a stream has.
pub(super) const QUESTIONS: usize = 100;

/// A folder that is gone when this is dropped.
pub(super) struct Ground {
    folder: TempDir,
    issuer: Issuer,
}

// === impl Ground ===

impl Ground {
    /// Makes the folder and what does not depend on a server.
    pub(super) fn prepare(root: &Path) -> Result<Self, Error> {
        let nowhere = |source| Error::File {
            path: std::env::temp_dir(),
            source,
        };
        let folder = tempfile::tempdir().map_err(nowhere)?;
        let issuer = Issuer::new()?;
        let ground = Self { folder, issuer };
        ground.write("keys.json", ground.issuer.key_set())?;
        for algorithm in [Algorithm::Hs256, Algorithm::EdDsa] {
            ground.write(algorithm.file(), ground.issuer.token(algorithm))?;
        }
        for name in ["policy.toml", "server.toml"] {
            let path = root.join(FOLDER).join(name);
            let text = fs::read(&path).map_err(|source| Error::File { path, source })?;
            ground.write(name, text)?;
        }
        certs::make(&ground.path("tls"), "default").map_err(Error::Certificates)?;
        ground.write("any.unary", unary(ANY))?;
        ground.write("any.stream", framed(&field(1, ANY)).repeat(QUESTIONS))?;
        Ok(ground)
    }

    /// Writes the requests for a record of the measured server, and names what they begin with.
    pub(super) fn requests(&self, name: &str, id: &str) -> Result<(), Error> {
        self.write(&format!("{name}.unary"), unary(id))?;
        // The questions of a stream have a tag.
        let question = [field(1, "1"), field(2, id)].concat();
        self.write(
            &format!("{name}.stream"),
            framed(&question).repeat(QUESTIONS),
        )
    }

    pub(super) fn token(&self, algorithm: Algorithm) -> String {
        self.issuer.token(algorithm)
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(|source| Error::File { path, source })
    }
}

fn unary(id: &str) -> Vec<u8> {
    framed(&field(1, id))
}

/// A field of protobuf that is a short text.
fn field(number: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[number << 3 | 2, length][..], text.as_bytes()].concat()
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_framed_as_grpc_frames_them() {
        assert_eq!(unary("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }
}
