//! The files of a server's identity, as they lie in a folder and are replaced.

use std::fs;
use std::path::{Path, PathBuf};

use service_runtime::server;
use service_runtime::tls::server::{Config, Mode};

use super::certificates::{Authority, Identity};
use crate::subject::on_a_free_port;

/// A folder with `tls.crt`, `tls.key` and `ca.crt`, as in a Secret of type `kubernetes.io/tls`.
pub(crate) struct Folder(tempfile::TempDir);

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With an identity, and the authority of clients.
    pub(crate) fn with(identity: &Identity, authority: &Authority) -> Self {
        let folder = Self::new();
        folder.put_identity(identity);
        folder.put("ca.crt", &authority.pem());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a whole file in the place of one, as editors and cert-manager's CSI driver do.
    pub(crate) fn put(&self, name: &str, text: &str) {
        put(self.path(), name, text);
    }

    pub(crate) fn put_identity(&self, identity: &Identity) {
        self.put("tls.crt", &identity.certificate);
        self.put("tls.key", &identity.key);
    }

    /// Puts all three as the kubelet does: a new folder, and a symbolic link that is swapped.
    pub(crate) fn swap(&self, generation: &str, identity: &Identity, authority: &Authority) {
        let data = self.file(&format!("..{generation}"));
        fs::create_dir(&data).unwrap();
        put(&data, "tls.crt", &identity.certificate);
        put(&data, "tls.key", &identity.key);
        put(&data, "ca.crt", &authority.pem());
        let link = self.file("..data_tmp");
        symlink(&data, &link);
        fs::rename(link, self.file("..data")).unwrap();
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            if !self.file(name).exists() {
                symlink(&Path::new("..data").join(name), &self.file(name));
            }
        }
    }

    /// A listener that uses them.
    pub(crate) fn listener(&self, mode: Mode) -> server::Config {
        let client_ca = match mode {
            Mode::Mtls => self.file("ca.crt"),
            _ => PathBuf::new(),
        };
        server::Config {
            tls: Config {
                mode,
                certificate: self.file("tls.crt"),
                private_key: self.file("tls.key"),
                client_ca,
                ..Config::default()
            },
            ..on_a_free_port()
        }
    }
}

fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!(".new-{name}"));
    fs::write(&new, text).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}

pub(crate) fn symlink(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}
