//! A caller without the right certificate: refused, and the reason can be read at both ends.

use std::path::Path;
use std::time::Duration;

use crate::e2e::certificates;
use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::load::{Followed, Pod, Run};
use crate::e2e::names::servers;
use crate::e2e::scene::Scene;

/// The Secret with what the stranger shows.
const SECRET: &str = "e2e-stranger";

/// How long it takes to be refused: the client's timeout, and a pod's start.
const REFUSED: Duration = Duration::from_mins(1);

/// One with a certificate of an authority that the server does not know, and one with none.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    let made = certificates::of_another_authority(scene.kubectl().namespace()).await?;
    secret(scene, made.path()).await?;
    let client = scene.client().await?;
    let forged = client.with_secret(certificates::CLIENT_SECRET, SECRET);
    let forged = forged.named("e2e-forged").running(&Run::Args(&["list"]));
    let none = ["list", "--set=tls.certificate=", "--set=tls.private_key="];
    let none = client.named("e2e-nobody").running(&Run::Args(&none));
    let findings = [
        refused(
            scene,
            "a client with another authority's certificate",
            &forged,
        )
        .await,
        refused(scene, "a client without a certificate", &none).await,
    ];
    scene.kubectl().discard(&["secret", SECRET]).await?;
    findings.into_iter().collect()
}

/// Runs the client, which must fail, and reads both logs.
async fn refused(scene: &Scene<'_>, who: &str, pod: &Pod) -> Result<Finding, Error> {
    let kubectl = scene.kubectl();
    let address = "{.status.podIP}";
    let client = Followed::start(kubectl, pod).await?;
    let object = format!("pod/{}", pod.name());
    let ip = kubectl
        .watch(&[&object], address, REFUSED, |ip| !ip.is_empty())
        .await?;
    let ended = |phase: &str| matches!(phase, "Succeeded" | "Failed");
    let phase = kubectl
        .watch(&[&object], "{.status.phase}", REFUSED, ended)
        .await?;
    let said = client.ended(REFUSED).await?.noise.join(" ");
    let logs = ["logs", "--since=2m", "--tail=-1", "--selector", &servers()];
    let logs = kubectl.run(&logs).await?;
    let reason = refusal(&logs, &ip);
    let claim = format!(
        "{who} is refused; the server: {}",
        reason.unwrap_or("nothing")
    );
    Ok(Finding::held(claim)
        .and(phase == "Failed", format!("it was let in: {said}"))
        .and(
            said.contains("certificate") || said.contains("the alert"),
            format!("the client does not name a certificate as the reason: {said}"),
        )
        .and(
            reason.is_some_and(|it| !it.is_empty()),
            format!("no server's log has a line about {ip}"),
        ))
}

/// What a server's log says about the handshake with this address.
fn refusal<'a>(log: &'a str, address: &str) -> Option<&'a str> {
    let peer = format!("{address}:");
    let about = |line: &&str| line.contains("no handshake") && line.contains(&peer);
    let line = log.lines().find(about)?;
    // `"error":"…"` of the JSON line; whatever form the log has, the line itself is better than nothing.
    let error = line.split_once("\"error\":\"").map_or(line, |(_, it)| it);
    Some(error.split('"').next().unwrap_or(error))
}

async fn secret(scene: &Scene<'_>, made: &Path) -> Result<(), Error> {
    let kubectl = scene.kubectl();
    kubectl.discard(&["secret", SECRET]).await?;
    let file = |key: &str, path: &str| format!("--from-file={key}={path}");
    let dir = made.display();
    let files = [
        file("tls.crt", &format!("{dir}/client.crt")),
        file("tls.key", &format!("{dir}/client.key")),
    ];
    // It believes the server, as everybody does; the server must not believe it.
    let ca = "jsonpath={.data.ca\\.crt}";
    let trusted = kubectl
        .run(&["get", "secret", certificates::CLIENT_SECRET, "--output", ca])
        .await?;
    kubectl
        .run(&["create", "secret", "generic", SECRET, &files[0], &files[1]])
        .await?;
    let patch = format!("{{\"data\":{{\"ca.crt\":\"{}\"}}}}", trusted.trim());
    kubectl
        .run(&["patch", "secret", SECRET, "--type=merge", "--patch", &patch])
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_by_the_address_of_the_stranger() {
        let log = "{\"message\":\"serving\"}\n\
            {\"message\":\"no handshake\",\"peer\":\"10.0.0.70:5\",\"error\":\"other\"}\n\
            {\"message\":\"no handshake\",\"peer\":\"10.0.0.7:5\",\"error\":\"peer sent no certificates\"}";
        assert_eq!(refusal(log, "10.0.0.7"), Some("peer sent no certificates"));
        assert_eq!(refusal(log, "10.0.0.8"), None);
    }
}
