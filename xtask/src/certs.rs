//! `cargo xtask certs`: a certificate authority and certificates for development, with the names that
//! the manifests need.
//!
//! In production a certificate comes from an issuer that renews it (cert-manager, SPIRE, a mesh);
//! these are for a laptop and a test cluster, where their private keys may lie in a folder.

mod error;
mod issue;
mod names;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use service_runtime::chain::Chain;

pub(crate) use self::error::Error;
use self::issue::{Authority, Role};

/// What an operator may choose.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For development only: the authority's private key lies beside the certificates, and whoever has it can
be anybody. In a cluster let cert-manager or SPIRE issue and renew certificates.

Files: ca.crt ca.key server.crt server.key client.crt client.key. The keys are readable for their
owner only. With --renew whoever trusts the authority needs to be told nothing; with --force everything
is made anew, the authority as well.

Examples:
  cargo xtask certs
  cargo xtask certs --renew --days 1
  cargo xtask certs --dir target/certs --namespace shop --days 7 --force")]
pub(crate) struct Options {
    /// The folder; it is made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,
    /// The Kubernetes namespace in the names of the certificates.
    #[arg(long, default_value = "default", value_parser = names::Namespace::parse)]
    namespace: names::Namespace,
    /// For how many days they are valid.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Make new certificates by the authority that is there.
    #[arg(long)]
    renew: bool,
    /// Overwrite what is there, the authority as well.
    #[arg(long, conflicts_with = "renew")]
    force: bool,
}

/// A file to write.
struct File {
    name: &'static str,
    text: String,
    is_secret: bool,
}

/// Writes the files, and says which.
pub(crate) fn run(options: &Options) -> ExitCode {
    match write(options) {
        Ok(names) => {
            let dir = options.dir.display();
            anstream::println!("{dir}: {}", names.join(" "));
            anstream::eprintln!(
                "For development only: the authority's private key is {dir}/ca.key."
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("error: {}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Makes an authority and its certificates in a folder, for the names of a namespace.
pub(crate) fn make(dir: &Path, namespace: &str) -> Result<(), Error> {
    let options = Options {
        dir: dir.to_owned(),
        namespace: names::Namespace::parse(namespace)?,
        days: 1,
        renew: false,
        force: false,
    };
    write(&options).map(drop)
}

fn write(options: &Options) -> Result<Vec<&'static str>, Error> {
    let files = issue(options)?;
    let dir = &options.dir;
    fs::create_dir_all(dir).map_err(|source| Error::Directory {
        path: dir.clone(),
        source,
    })?;
    // All or nothing: half a set of new files would not fit the other half.
    if !options.force
        && !options.renew
        && let Some(there) = files.iter().find(|file| dir.join(file.name).exists())
    {
        return Err(Error::Exists(dir.join(there.name)));
    }
    for file in &files {
        let path = dir.join(file.name);
        put(&path, file).map_err(|source| Error::Write { path, source })?;
    }
    Ok(files.iter().map(|file| file.name).collect())
}

/// The texts of all files; the certificates before the keys that they need, so that a server that
/// reads along sees a change of the key last.
fn issue(options: &Options) -> Result<Vec<File>, Error> {
    let validity = issue::Validity::days(options.days);
    let authority = authority(options, &validity)?;
    let namespace = &options.namespace;
    let server = authority.issue(Role::Server, namespace, &validity);
    let client = authority.issue(Role::Client, namespace, &validity);
    let (server, client) = (server.map_err(Error::Issue)?, client.map_err(Error::Issue)?);
    let certificate = |name, text| File {
        name,
        text,
        is_secret: false,
    };
    let key = |name, text| File {
        name,
        text,
        is_secret: true,
    };
    Ok(vec![
        certificate("ca.crt", authority.certificate().to_owned()),
        key("ca.key", authority.key()),
        certificate("server.crt", server.certificate),
        key("server.key", server.key),
        certificate("client.crt", client.certificate),
        key("client.key", client.key),
    ])
}

/// A new authority, or the one that is there.
fn authority(options: &Options, validity: &issue::Validity) -> Result<Authority, Error> {
    if !options.renew {
        return Authority::new(validity).map_err(Error::Issue);
    }
    let text = |name| {
        let path = options.dir.join(name);
        fs::read_to_string(&path).map_err(|source| Error::Authority { path, source })
    };
    Authority::open(text("ca.crt")?, &text("ca.key")?).map_err(Error::Issue)
}

/// Puts a whole file in the place of what was there. A key is never readable for others, not even
/// for a moment.
fn put(path: &Path, file: &File) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // One that an interrupted run has left could have other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if file.is_secret { 0o600 } else { 0o644 });
    }
    options.open(&new)?.write_all(file.text.as_bytes())?;
    fs::rename(new, path)
}
