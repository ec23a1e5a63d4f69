//! The same refusals as other people's clients meet them: openssl and grpcurl, where they are installed.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use service_runtime::tls::server::Mode;

use super::certificates::{Authority, Identity, SERVER, Validity};
use super::files::Folder;
use crate::log;
use crate::subject::{soon, start};

/// How a tool ended, and all that it said.
struct Ended {
    succeeded: bool,
    said: String,
}

/// Runs a tool to its end; `None` where it is not installed, which is said.
async fn run(tool: &'static str, arguments: Vec<String>) -> Option<Ended> {
    let running = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(tool);
        command.args(arguments).stdin(Stdio::null()).output()
    });
    match soon("the tool's end", running).await.unwrap() {
        Ok(output) => Some(Ended {
            succeeded: output.status.success(),
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("SKIPPED: {tool} is not installed");
            None
        }
        Err(error) => panic!("{tool} must start: {error}"),
    }
}

async fn openssl(address: SocketAddr, folder: &Folder, more: &[&str]) -> Option<Ended> {
    let ca = folder.file("ca.crt").display().to_string();
    let address = address.to_string();
    let mut arguments = vec!["s_client", "-connect", &address, "-servername", SERVER];
    arguments.extend(["-verify_hostname", SERVER, "-verify_return_error"]);
    if !more.contains(&"-CAfile") {
        arguments.extend(["-CAfile", &ca]);
    }
    arguments.extend(more);
    run(
        "openssl",
        arguments.into_iter().map(str::to_owned).collect(),
    )
    .await
}

/// Puts a client's identity beside the server's, and names its files.
fn put_client(folder: &Folder, name: &str, identity: &Identity) -> (String, String) {
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    folder.put(&certificate, &identity.certificate);
    folder.put(&key, &identity.key);
    let path = |name: &str| folder.file(name).display().to_string();
    (path(&certificate), path(&key))
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_is_let_in_and_refused_as_others_are() {
    log::start();
    let (authority, other) = (Authority::named("a"), Authority::named("other"));
    let folder = Folder::with(&authority.server(), &authority);
    folder.put("other.crt", &other.pem());
    let other_ca = folder.file("other.crt").display().to_string();
    let (server, _gate) = start(folder.listener(Mode::Tls));
    let address = server.local_address();

    let Some(let_in) = openssl(address, &folder, &["-alpn", "h2"]).await else {
        return;
    };
    assert!(let_in.succeeded, "{}", let_in.said);
    for part in ["TLSv1.3", "ALPN protocol: h2", "Verify return code: 0 (ok)"] {
        assert!(let_in.said.contains(part), "{part}: {}", let_in.said);
    }
    for (arguments, said) in [
        (&["-alpn", "http/1.1"][..], "no application protocol"),
        (&[], "no application protocol"),
        (&["-alpn", "h2", "-tls1_2"], "protocol version"),
        // TLS 1.1 lacks an extension that rustls asks for before it looks at the version.
        (
            &["-alpn", "h2", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            "handshake failure",
        ),
        (
            &["-alpn", "h2", "-CAfile", &other_ca],
            "certificate verify failed",
        ),
        (
            &["-alpn", "h2", "-verify_hostname", "another.test"],
            "hostname mismatch",
        ),
    ] {
        let refused = openssl(address, &folder, arguments).await.unwrap();
        assert!(!refused.succeeded, "{arguments:?}: {}", refused.said);
        let said_so = refused.said.to_lowercase().contains(said);
        assert!(said_so, "{arguments:?}: {said}: {}", refused.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_calls_with_a_certificate_and_not_without() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let ca = folder.file("ca.crt").display().to_string();
    let address = server.local_address().to_string();
    let call = async |certificate: Option<(String, String)>| {
        let mut arguments = vec!["-cacert".to_owned(), ca.clone()];
        if let Some((certificate, key)) = certificate {
            arguments.extend(["-cert".to_owned(), certificate, "-key".to_owned(), key]);
        }
        let rest = ["-servername", SERVER, "-max-time", "10"];
        let proto = [
            "-import-path",
            "proto",
            "-proto",
            "grpc/health/v1/health.proto",
        ];
        arguments.extend(rest.into_iter().chain(proto).map(str::to_owned));
        arguments.extend([address.clone(), "grpc.health.v1.Health/Check".to_owned()]);
        run("grpcurl", arguments).await
    };

    let client = put_client(&folder, "client", &authority.client(Validity::Current));
    let Some(let_in) = call(Some(client)).await else {
        return;
    };
    assert!(let_in.succeeded, "{}", let_in.said);
    let over = put_client(&folder, "over", &authority.client(Validity::Over));
    for (certificate, said) in [
        (None, "certificate required"),
        (Some(over), "expired certificate"),
    ] {
        let refused = call(certificate).await.unwrap();
        assert!(!refused.succeeded, "{}", refused.said);
        assert!(refused.said.contains(said), "{said}: {}", refused.said);
    }
}
