//! Files that are replaced while the server runs.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use service_runtime::server::{Config, Running};
use service_runtime::tls::server::Mode;
use service_runtime::tls::{Reloader, Status};

use super::certificates::{Authority, Identity, SERVER, Validity};
use super::client::{certificate_of, connect, refused, trusting};
use super::files::{Folder, symlink};
use crate::log;
use crate::subject::{self, asking, soon};

fn start(config: Config) -> (Running, Reloader<ServerConfig>) {
    let (bound, layered) = subject::bind(config);
    let identity = bound.tls().expect("these servers have one").clone();
    (bound.serve(layered), identity)
}

/// Waits until new connections get this certificate.
async fn becomes(address: SocketAddr, client: &Arc<ClientConfig>, identity: &Identity) {
    soon("the new certificate", async {
        while certificate_of(address, client.clone()).await != *identity.der() {}
    })
    .await;
}

/// Waits until the status is as it should be.
async fn status(identity: &Reloader<ServerConfig>, holds: impl Fn(&Status) -> bool) -> Status {
    soon("the status", async {
        loop {
            let status = identity.status();
            if holds(&status) {
                break status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Sends SIGHUP to this process, whose reloaders have taken it over from its default.
fn hang_up() {
    let id = std::process::id().to_string();
    let status = Command::new("kill").args(["-HUP", &id]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn replaced_files_are_used_by_new_connections_and_old_ones_live_on() {
    let authority = Authority::named("a");
    let (first, second) = (authority.server(), authority.server());
    let folder = Folder::with(&first, &authority);
    let (server, identity) = start(folder.listener(Mode::Tls));
    let address = server.local_address();
    let client = Arc::new(trusting(&authority, None));
    let mut old = connect(address, client.clone()).await;
    let before = identity.status();
    assert_eq!(before.rejected, None);

    folder.put_identity(&second);
    becomes(address, &client, &second).await;
    let after = identity.status();
    assert!(after.loaded_at > before.loaded_at, "{after:?}");
    old.check(asking(""))
        .await
        .expect("a connection must outlive its certificate's files");
}

#[tokio::test]
async fn what_kubernetes_swaps_is_noticed() {
    let authority = Authority::named("a");
    let (first, second) = (authority.server(), authority.server());
    let folder = Folder::new();
    folder.swap("1", &first, &authority);
    let (server, _identity) = start(folder.listener(Mode::Mtls));
    let own = authority.client(Validity::Current);
    let client = Arc::new(trusting(&authority, Some(&own)));
    becomes(server.local_address(), &client, &first).await;
    folder.swap("2", &second, &authority);
    becomes(server.local_address(), &client, &second).await;
}

#[tokio::test]
async fn sighup_reads_what_the_file_system_does_not_tell_of() {
    let authority = Authority::named("a");
    let (first, second) = (authority.server(), authority.server());
    let elsewhere = Folder::with(&first, &authority);
    // Nothing in this folder changes when a file behind its links does.
    let folder = Folder::new();
    for name in ["tls.crt", "tls.key"] {
        symlink(&elsewhere.file(name), &folder.file(name));
    }
    let (server, _identity) = start(folder.listener(Mode::Tls));
    let client = Arc::new(trusting(&authority, None));
    becomes(server.local_address(), &client, &first).await;
    elsewhere.put_identity(&second);
    hang_up();
    becomes(server.local_address(), &client, &second).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_and_are_told_once() {
    log::start();
    let authority = Authority::named("a");
    let (first, second) = (authority.server(), authority.server());
    let folder = Folder::with(&first, &authority);
    let (server, identity) = start(folder.listener(Mode::Tls));
    let address = server.local_address();
    let client = Arc::new(trusting(&authority, None));
    let path = folder.path().display().to_string();
    let told = || log::count(&["new certificates cannot be used", &path]);

    folder.put("tls.crt", "not PEM");
    let why = status(&identity, |it| it.rejected.is_some()).await.rejected;
    assert_eq!(
        why,
        Some(format!(
            "{path}/tls.crt holds no certificate (-----BEGIN CERTIFICATE-----)"
        ))
    );
    becomes(address, &client, &first).await;
    // Looked at again and again, it is still the same.
    folder.put("tls.crt", "not PEM");
    hang_up();

    std::fs::remove_file(folder.file("tls.key")).unwrap();
    let gone = format!("cannot read {path}/tls.key: No such file or directory (os error 2)");
    status(&identity, |it| it.rejected.as_ref() == Some(&gone)).await;
    log::line_with(&["new certificates cannot be used", &path, "No such file"]).await;
    assert_eq!(told(), 2, "each problem must be told once");
    becomes(address, &client, &first).await;

    // A pair that does not belong together, then one that does.
    folder.put("tls.key", &first.key);
    folder.put("tls.crt", &second.certificate);
    status(&identity, |it| {
        it.rejected.as_ref().is_some_and(|why| {
            why.starts_with("the certificate and the private key cannot be used: ")
        })
    })
    .await;
    becomes(address, &client, &first).await;
    folder.put("tls.key", &second.key);
    becomes(address, &client, &second).await;
    assert_eq!(identity.status().rejected, None);
}

#[tokio::test]
async fn an_expired_certificate_does_not_take_the_place_of_a_good_one() {
    let authority = Authority::named("a");
    let (good, over) = (
        authority.server(),
        authority.issue(SERVER, None, Validity::Over),
    );
    let folder = Folder::with(&good, &authority);
    let (server, identity) = start(folder.listener(Mode::Tls));
    folder.put_identity(&over);
    let expected = format!(
        "the certificate in {} was valid until 2020-01-01T00:00:00Z",
        folder.file("tls.crt").display()
    );
    status(&identity, |it| it.rejected.as_ref() == Some(&expected)).await;
    let client = Arc::new(trusting(&authority, None));
    becomes(server.local_address(), &client, &good).await;
}

#[tokio::test]
async fn a_new_authority_of_clients_counts_for_new_connections() {
    log::start();
    let (old, new) = (Authority::named("old"), Authority::named("new"));
    let own = old.server();
    let folder = Folder::with(&own, &old);
    let (server, identity) = start(folder.listener(Mode::Mtls));
    let address = server.local_address();
    let (old_client, new_client) = (old.client(Validity::Current), new.client(Validity::Current));
    let mut living = connect(address, trusting(&old, Some(&old_client))).await;

    let before = identity.status().loaded_at;
    folder.put("ca.crt", &new.pem());
    status(&identity, |it| it.loaded_at > before).await;
    let (_, error) = refused(address, trusting(&old, Some(&old_client)), SERVER).await;
    assert!(error.contains("UnknownCA"), "{error}");
    connect(address, trusting(&old, Some(&new_client))).await;
    living
        .check(asking(""))
        .await
        .expect("a connection must outlive the authority that let it in");
}

#[tokio::test]
async fn a_server_does_not_start_with_files_that_cannot_be_used() {
    let authority = Authority::named("a");
    let (first, second) = (authority.server(), authority.server());
    let folder = Folder::with(&first, &authority);
    let chain = |config: Config| {
        let error = config.bind().expect_err("it must not start");
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    let key = folder.file("tls.key");

    folder.put("tls.key", &second.key);
    let text = chain(folder.listener(Mode::Tls));
    assert!(
        text.contains("the certificate and the private key cannot be used: "),
        "{text}"
    );
    folder.put("tls.key", &first.certificate);
    let text = chain(folder.listener(Mode::Tls));
    let expected = format!("{} holds no private key", key.display());
    assert!(text.contains(&expected), "{text}");
    std::fs::remove_file(&key).unwrap();
    let text = chain(folder.listener(Mode::Tls));
    let expected = format!("cannot read {}: No such file", key.display());
    assert!(text.contains(&expected), "{text}");
    folder.put("tls.key", &first.key);
    folder.put("ca.crt", "");
    let text = chain(folder.listener(Mode::Mtls));
    assert!(text.contains("ca.crt holds no certificate"), "{text}");
}
