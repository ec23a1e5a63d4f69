//! Images carry a version: one that moves, such as `latest`, makes two nodes run two programs under
//! one name, and takes the meaning from a rollback.

use crate::check::finding::Examination;
use crate::check::object::text;
use crate::check::pod::Pod;
use crate::check::program::{CLIENT, SERVER};
use crate::check::render::Render;

/// Of the whole workspace, and of xtask as one of its members.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let owner = container.pod.owner;
        let place = container.at("/image");
        let image = text(container.value, "image").unwrap_or_default();
        // Istio's injection replaces it.
        if image == "auto" && container.name() == "istio-proxy" {
            continue;
        }
        let named = image.split('@').next().unwrap_or_default();
        let last = named.rsplit('/').next().unwrap_or_default();
        let tag = last.split_once(':').map(|(_, tag)| tag);
        examination.expect(
            image.contains("@sha256:") || tag.is_some_and(|tag| tag != "latest"),
            owner,
            &place,
            || format!("expected a version in {image:?}"),
            "name a version, or a digest",
        );
        if [SERVER, CLIENT].contains(&container.program()) {
            examination.expect(
                tag == Some(VERSION),
                owner,
                &place,
                || format!("{image:?} is not of the workspace's version, {VERSION}"),
                "the version is said in Cargo.toml, and in the base's images",
            );
        }
    }
    examination
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn images_with_the_workspaces_version_hold() {
        assert_holds(examine);
    }

    #[test]
    fn a_tag_that_moves_is_found() {
        let postgres = |to| ("image: postgres:18}", to);
        assert_breaks(
            examine,
            &[postgres("image: postgres}")],
            "expected a version",
        );
        assert_breaks(
            examine,
            &[postgres("image: 'host:5000/postgres:latest'}")],
            "expected a version",
        );
    }

    #[test]
    fn another_version_of_ours_is_found() {
        let other = ("image: user-server:VERSION", "image: user-server:v99");
        assert_breaks(examine, &[other], "is not of the workspace's version");
    }
}
