//! The images: built by the Dockerfile that everyone uses, and given to the cluster, which has no
//! registry to pull them from.

use std::time::Duration;

use super::context::kind_cluster;
use super::error::Error;
use super::names::{CLIENT, CLIENT_IMAGE, SERVER, SERVER_IMAGE, VERSION};
use super::program::Program;
use super::screen;

/// A first build compiles everything.
const BUILD: Duration = Duration::from_mins(40);

/// A busy disk takes its time.
const LOAD: Duration = Duration::from_mins(5);

/// The server's image, and that of the version after it.
pub(super) fn server(next: bool) -> String {
    let suffix = if next { "-next" } else { "" };
    format!("{SERVER_IMAGE}:{VERSION}{suffix}")
}

/// The client's image.
fn client() -> String {
    format!("{CLIENT_IMAGE}:{VERSION}")
}

/// Builds all images.
///
/// The next version differs from this one in a label only: what is tried with it is how the cluster
/// goes from one to the other and back.
pub(super) async fn build() -> Result<(), Error> {
    for (target, image) in [(SERVER, server(false)), (CLIENT, client())] {
        screen::step(&format!("building {image}"));
        let build = Program::new(
            "docker",
            ["build", "--target", target, "--tag", &image, "."],
        );
        build.within(BUILD).run().await?;
    }
    let next = server(true);
    let label = format!("org.opencontainers.image.version={VERSION}-next");
    let dockerfile = format!("FROM {}\nLABEL {label}\n", server(false));
    let build = Program::new("docker", ["build", "--tag", &next, "-"]);
    build.within(BUILD).run_with(&dockerfile).await.map(drop)
}

/// Gives them to the cluster of this context: by kind, or by a command that reads what `docker save`
/// writes.
pub(super) async fn load(context: &str, command: Option<&str>) -> Result<(), Error> {
    let images = [server(false), server(true), client()];
    screen::step(&format!("loading {} into {context}", images.join(", ")));
    let load = match (command, kind_cluster(context)) {
        (Some(command), _) => {
            let pipe = format!("docker save {} | {command}", images.join(" "));
            Program::new("sh", ["-c", &pipe])
        }
        (None, Some(cluster)) => {
            let args = ["load", "docker-image", "--name", cluster];
            let images = images.iter().map(String::as_str);
            Program::new("kind", args.into_iter().chain(images))
        }
        (None, None) => {
            return Err(Error::NoLoadCommand {
                context: context.to_owned(),
            });
        }
    };
    load.within(LOAD).run().await.map(drop)
}
