//! The identity of a server, made by the test and given to it as files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grpc_channel::Tls;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// The name that the standard cases have their server called by.
const NAME: &str = "foo.test.google.fr";

/// A certificate that signs itself, its key, and the clients that trust it.
#[derive(Debug)]
pub(crate) struct Identity {
    folder: TempDir,
    tls: Tls,
}

// === impl Identity ===

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]);
        let made = made.expect("the name is valid");
        let certificate = made.cert.der();
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        write(&folder.path().join("cert.pem"), "CERTIFICATE", certificate);
        let key = made.signing_key.serialize_der();
        write(&folder.path().join("key.pem"), "PRIVATE KEY", &key);

        let mut roots = RootCertStore::empty();
        let added = roots.add(certificate.clone());
        added.expect("the certificate can be an anchor of trust");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the protocols")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            folder,
            tls: Tls::new(config).server_name(NAME),
        }
    }

    /// What makes a server use it.
    pub(crate) fn flags(&self) -> [String; 2] {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        [
            format!("-tls_cert_file={}", file("cert.pem")),
            format!("-tls_key_file={}", file("key.pem")),
        ]
    }

    /// What makes a client trust it.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }
}

/// Writes a file as RFC 7468 says.
fn write(path: &Path, label: &str, der: &[u8]) {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<&str> = lines
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    let lines = lines.join("\n");
    let pem = format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n");
    fs::write(path, pem).expect("the folder is this test's own");
}
