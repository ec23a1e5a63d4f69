//! What this workspace has compiled of other people's crates, for the services as well.
//!
//! The services cannot be compiled in the workspace's own target folder: cargo knows a member by its path in
//! the workspace, so that the `xtask` of a service would pass for ours. In a folder of their own they would
//! compile some hundred dependencies once more; linked into it from ours, those are fresh there, too.

use std::fs;
use std::path::Path;

use super::error::Error;

/// How the names of the workspace's members begin; everything else is from the registry.
const MEMBERS: [&str; 4] = ["user-", "grpc-channel-", "service-runtime-", "xtask-"];

/// Links what is missing from one target folder into another. Nothing, where the first has nothing.
pub(super) fn link(from: &Path, to: &Path) -> Result<(), Error> {
    let (from, to) = (from.join("debug"), to.join("debug"));
    if !from.join("deps").is_dir() {
        return Ok(());
    }
    for folder in ["build", ".fingerprint"] {
        for name in names(&from.join(folder))?
            .iter()
            .filter(|it| !is_member(it))
        {
            copy(&from.join(folder).join(name), &to.join(folder).join(name))?;
        }
    }
    let deps = to.join("deps");
    fs::create_dir_all(&deps).map_err(Error::file(&deps))?;
    for name in names(&from.join("deps"))?
        .iter()
        .filter(|it| is_library(it))
    {
        let link = deps.join(name);
        if !link.exists() {
            // The compiler replaces these and never writes into them; where there are no links, a copy.
            let file = from.join("deps").join(name);
            fs::hard_link(&file, &link)
                .or_else(|_| fs::copy(&file, &link).map(|_| ()))
                .map_err(Error::file(&link))?;
        }
    }
    Ok(())
}

fn is_member(name: &str) -> bool {
    let name = name.replace('_', "-");
    MEMBERS.iter().any(|it| name.starts_with(it))
}

/// A crate that others depend on, in one of its forms; programs and tests have no extension.
fn is_library(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|it| it.to_str());
    let is_one = matches!(extension, Some("rlib" | "rmeta" | "so" | "dylib" | "d"));
    is_one && !is_member(name.strip_prefix("lib").unwrap_or(name))
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    entries
        .map(|it| Ok(it?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(Error::file(folder))
}

/// With the times, by which cargo sees what is fresh.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if from.is_dir() {
        if to.exists() {
            return Ok(());
        }
        fs::create_dir_all(to).map_err(Error::file(to))?;
        for name in names(from)? {
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map_err(Error::file(from))?;
    let time = fs::metadata(from).and_then(|it| it.modified());
    let file = fs::File::options().write(true).open(to);
    time.and_then(|time| file?.set_modified(time))
        .map_err(Error::file(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stay_where_they_are_and_everything_else_is_shared() {
        for name in [
            "libuser_api-1.rlib",
            "libgrpc_channel-1.rmeta",
            "xtask-1.d",
            "it-1",
            "tokio-1",
        ] {
            assert!(!is_library(name), "{name}");
        }
        for name in ["libtokio-1.rlib", "libserde_derive-1.so", "tokio-1.d"] {
            assert!(is_library(name), "{name}");
        }
        assert!(is_member("user-server-1") && !is_member("tokio-1"));
    }
}
