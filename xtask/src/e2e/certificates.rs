//! Certificates for the overlay mtls where no cert-manager issues them: by `cargo xtask certs`, as an
//! operator would make them.

use std::path::Path;

use super::error::Error;
use super::program::Program;

/// Where components/dev-certs looks for them; git ignores it.
const FOLDER: &str = "kustomize/components/dev-certs/made-by-cargo-xtask-certs";

/// The Secret with the client's identity.
pub(super) const CLIENT_SECRET: &str = "user-client-tls";

/// Makes the files that the overlay needs, unless they are there.
pub(super) async fn make(namespace: &str) -> Result<(), Error> {
    if Path::new(FOLDER).join("ca.key").is_file() {
        return renew(namespace).await;
    }
    certs(&["--namespace", namespace, "--dir", FOLDER]).await
}

/// New ones by the same authority.
pub(super) async fn renew(namespace: &str) -> Result<(), Error> {
    certs(&["--renew", "--namespace", namespace, "--dir", FOLDER]).await
}

/// Files with the right names, by an authority that nobody knows.
pub(super) async fn of_another_authority(namespace: &str) -> Result<tempfile::TempDir, Error> {
    let dir = tempfile::tempdir().map_err(|source| Error::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let path = dir.path().display().to_string();
    certs(&["--namespace", namespace, "--dir", &path]).await?;
    Ok(dir)
}

/// `cargo xtask certs`, without the cargo.
async fn certs(args: &[&str]) -> Result<(), Error> {
    let this = std::env::current_exe().map_err(|source| Error::Run {
        program: "cargo xtask certs".to_owned(),
        source,
    })?;
    let this = this.display().to_string();
    let args = ["certs"].iter().chain(args).copied();
    Program::new(&this, args).run().await.map(drop)
}
