//! The programs accept their files, their arguments and their environment: what would otherwise be
//! seen as a pod that restarts for ever.

use crate::check::finding::Examination;
use crate::check::pod::Pod;
use crate::check::program::{self, CLIENT, SERVER};
use crate::check::render::Render;

const CURE: &str = "mend the settings; `config print` of the program shows every key";

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let owner = container.pod.owner;
        if ![SERVER, CLIENT].contains(&container.program()) {
            continue;
        }
        examination.subject();
        let place = container.at("/args");
        // First the file alone, as it would be in any other pod.
        if let Err(error) = program::check(render, &container) {
            examination.report(owner, &place, error.to_string(), CURE);
            continue;
        }
        let server = program::server(render, &container).map(|it| it.map(drop));
        let client = program::client(render, &container).map(|it| it.map(drop));
        if let Some(Err(error)) = server.or(client) {
            examination.report(owner, &container.at(""), error.to_string(), CURE);
        }
    }
    examination
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn files_that_the_programs_accept_are_accepted() {
        assert_holds(examine);
    }

    #[test]
    fn an_unknown_key_is_found() {
        assert_breaks(examine, &[("deadline = ", "dedline = ")], "drain.dedline");
    }

    #[test]
    fn a_wrong_value_in_the_environment_is_found() {
        assert_breaks(
            examine,
            &[("name: USER_CLIENT__TARGET", "name: USER_CLIENT__TIMEOUT")],
            "timeout",
        );
    }

    #[test]
    fn an_unknown_argument_is_found() {
        assert_breaks(examine, &[("forever", "--for-ever")], "--for-ever");
    }

    #[test]
    fn a_file_that_is_not_mounted_is_found() {
        let moved = [("mountPath: /etc/user-server}", "mountPath: /etc/elsewhere}")];
        assert_breaks(examine, &moved, "/etc/user-server/config.toml");
    }
}
