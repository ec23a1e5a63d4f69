//! The settings that our programs would run with in a pod: the render's files, arguments and
//! environment, read by the programs' own code.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;

use clap::Parser as _;

use super::pod::{Container, Mounted};
use super::render::Render;

/// The image and the container of the server.
pub(crate) const SERVER: &str = "user-server";

/// The image and the container of the client.
pub(crate) const CLIENT: &str = "user-client";

/// The server's arguments that are short for a setting.
const SERVER_FLAGS: [(&str, &str); 4] = [
    ("--address", "server.address"),
    ("--ops-address", "ops.address"),
    ("--store-url", "store.url"),
    ("--log-filter", "log.filter"),
];

/// Why a program would not start with what the render gives it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// `--config` names a file that is not there.
    #[error("{0} is mounted from no ConfigMap or Secret")]
    NotMounted(String),
    /// The key of a ConfigMap or a Secret is missing.
    #[error("{}/{} has no key {}", .0.kind, .0.name, .0.key)]
    NoKey(Mounted),
    /// The program refuses it.
    #[error("{0}")]
    Refused(String),
    /// See the source.
    #[error("a file for the settings cannot be written")]
    Write(#[source] io::Error),
}

/// The file that `--config`, or the environment, names.
pub(crate) fn file(render: &Render, container: &Container<'_>) -> Option<String> {
    let arguments = container.arguments(render);
    let variable = format!("{}_CONFIG", prefix(container.program()));
    flag(&arguments, "--config").or_else(|| container.environment(render).get(&variable).cloned())
}

/// The text of a file in a container, and where it comes from.
pub(crate) fn text(
    render: &Render,
    container: &Container<'_>,
    path: &str,
) -> Result<(Mounted, String), Unusable> {
    let mounted = container
        .mounted(path)
        .ok_or_else(|| Unusable::NotMounted(path.to_owned()))?;
    match render
        .data(mounted.kind, &mounted.name)
        .and_then(|mut data| data.remove(&mounted.key))
    {
        Some(text) => Ok((mounted, text)),
        None => Err(Unusable::NoKey(mounted)),
    }
}

/// What the server would run with; `None` for a container that is not the server.
pub(crate) fn server(
    render: &Render,
    container: &Container<'_>,
) -> Option<Result<user_server::settings::Settings, Unusable>> {
    (container.program() == SERVER).then(|| {
        let arguments = container.arguments(render);
        let mut environment = container.environment(render);
        // A flag overrides the environment: the same value as a variable says the same.
        let set = arguments.windows(2).filter(|pair| pair[0] == "--set");
        for (key, value) in set.filter_map(|pair| pair[1].split_once('=')) {
            environment.insert(variable(SERVER, key), value.to_owned());
        }
        for (name, key) in SERVER_FLAGS {
            if let Some(value) = flag(&arguments, name) {
                environment.insert(variable(SERVER, key), value);
            }
        }
        with_file(render, container, |file| {
            let mut loader = user_server::settings::loader().environment(os(environment));
            if let Some(file) = file {
                loader = loader.file(file);
            }
            loader
                .load()
                .map(|loaded| loaded.settings)
                .map_err(|error| error.to_string())
        })
    })
}

/// What the client would run with; `None` for a container that is not the client.
pub(crate) fn client(
    render: &Render,
    container: &Container<'_>,
) -> Option<Result<user_client::settings::Settings, Unusable>> {
    (container.program() == CLIENT).then(|| {
        let arguments = container.arguments(render);
        let typed = std::iter::once(CLIENT.to_owned()).chain(arguments);
        let cli = user_client::cli::Cli::try_parse_from(typed)
            .map_err(|error| Unusable::Refused(error.to_string()))?;
        let mut overrides = user_client::settings::Overrides::from(cli.settings);
        let environment = os(container.environment(render));
        with_file(render, container, |file| {
            overrides.file = file.map(Into::into);
            user_client::settings::load_from(environment.collect(), overrides)
                .map(|loaded| loaded.settings)
                .map_err(|error| error.to_string())
        })
    })
}

/// Checks a file by itself, as the program's `config check` does.
pub(crate) fn check(render: &Render, container: &Container<'_>) -> Result<(), Unusable> {
    with_file(render, container, |file| {
        let Some(file) = file else { return Ok(()) };
        match container.program() {
            SERVER => user_server::settings::loader()
                .file(file)
                .load::<user_server::settings::Settings>()
                .map(drop),
            _ => user_client::settings::check(file.into()),
        }
        .map_err(|error| error.to_string())
    })
}

/// Puts the file into the file system for as long as it is read, and names it in messages as the
/// render does.
fn with_file<T>(
    render: &Render,
    container: &Container<'_>,
    load: impl FnOnce(Option<&str>) -> Result<T, String>,
) -> Result<T, Unusable> {
    let Some(path) = file(render, container) else {
        return load(None).map_err(Unusable::Refused);
    };
    let (mounted, text) = text(render, container, &path)?;
    let folder = tempfile::tempdir().map_err(Unusable::Write)?;
    let file = folder.path().join(&mounted.key);
    fs::write(&file, text).map_err(Unusable::Write)?;
    let file = file.to_string_lossy();
    load(Some(&file)).map_err(|message| Unusable::Refused(message.replace(&*file, &path)))
}

/// The value of `--name VALUE` or `--name=VALUE`; the last one counts.
fn flag(arguments: &[String], name: &str) -> Option<String> {
    let mut found = None;
    for (index, argument) in arguments.iter().enumerate() {
        if argument == name {
            found = arguments.get(index + 1).cloned();
        } else if let Some(value) = argument
            .strip_prefix(name)
            .and_then(|it| it.strip_prefix('='))
        {
            found = Some(value.to_owned());
        }
    }
    found
}

/// `USER_SERVER` of `user-server`.
fn prefix(program: &str) -> String {
    program.to_uppercase().replace('-', "_")
}

fn variable(program: &str, key: &str) -> String {
    let key = key.to_uppercase().replace('.', "__");
    format!("{}__{key}", prefix(program))
}

fn os(environment: BTreeMap<String, String>) -> impl Iterator<Item = (OsString, OsString)> {
    environment
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_flag_counts_in_both_forms() {
        let arguments = ["--config", "a", "load", "--config=b"].map(str::to_owned);
        assert_eq!(flag(&arguments, "--config").as_deref(), Some("b"));
        assert_eq!(flag(&arguments, "--set"), None);
    }

    #[test]
    fn variables_have_the_programs_own_prefix() {
        assert_eq!(
            variable(SERVER, "server.tls.mode"),
            format!("{}__SERVER__TLS__MODE", user_server::settings::PREFIX)
        );
    }
}
