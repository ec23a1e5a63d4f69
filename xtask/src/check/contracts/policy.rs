//! The policy says which permission each served method needs: the server itself is asked, which starts
//! with no other.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use service_runtime::chain::Chain;
use user_server::Server;
use user_server::settings::Settings;

use crate::check::finding::Examination;
use crate::check::pod::Pod;
use crate::check::program::{self, Unusable};
use crate::check::render::Render;

const CURE: &str = "name every method under [methods], those of reflection too where it is served";

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let Some(Ok(settings)) = program::server(render, &container) else {
            continue;
        };
        let path = settings.auth.policy.to_string_lossy().into_owned();
        if path.is_empty() {
            continue;
        }
        examination.subject();
        let started = program::text(render, &container, &path)
            .and_then(|(_, text)| start(settings, &path, &text));
        if let Err(error) = started {
            let owner = container.pod.owner;
            examination.report(owner, &container.at(""), error.to_string(), CURE);
        }
    }
    examination
}

/// Starts a server that has nothing of these settings but the policy and what it has to cover.
fn start(settings: Settings, path: &str, policy: &str) -> Result<(), Unusable> {
    let folder = tempfile::tempdir().map_err(Unusable::Write)?;
    let file = folder.path().join("policy.toml");
    fs::write(&file, policy).map_err(Unusable::Write)?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut tried = Settings {
        auth: settings.auth,
        reflection: settings.reflection,
        ..Settings::default()
    };
    tried.auth.policy = file;
    // Passwords and keys are not in the render; the policy is read without them.
    tried.auth.authenticators.clear();
    tried.server.address = any_port;
    tried.ops.address = any_port;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Unusable::Write)?;
    match runtime.block_on(Server::build(tried)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = Chain(&error).to_string();
            let folder = format!("{}/policy.toml", folder.path().display());
            Err(Unusable::Refused(message.replace(&folder, path)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn a_policy_for_every_method_holds() {
        assert_holds(examine);
    }

    #[test]
    fn a_method_that_the_policy_forgets_is_found() {
        let forgotten = ("\"/user.v1.UserService/GetUser\" = \"user.read\"", "");
        assert_breaks(examine, &[forgotten], "/user.v1.UserService/GetUser");
    }

    #[test]
    fn a_policy_that_is_none_is_found() {
        assert_breaks(examine, &[("[methods]", "[methods")], "cannot be used");
    }

    #[test]
    fn a_policy_that_is_not_mounted_is_found() {
        let other = (
            "policy = \"/etc/user-server/policy.toml\"",
            "policy = \"/etc/policy.toml\"",
        );
        assert_breaks(
            examine,
            &[other],
            "/etc/policy.toml is mounted from no ConfigMap",
        );
    }
}
