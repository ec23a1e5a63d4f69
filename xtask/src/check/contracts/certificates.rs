//! Certificates carry every name that clients dial, and say who the workloads are: otherwise the first
//! handshake is what tells.

use std::path::Path;

use serde_json::Value;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use crate::check::dial;
use crate::check::finding::Examination;
use crate::check::manifests::PREFIX;
use crate::check::object::Object;
use crate::check::pod::{Container, Pod};
use crate::check::program;
use crate::check::render::Render;

/// The trust domain of a cluster, unless somebody has changed it.
const TRUST_DOMAIN: &str = "cluster.local";

const CURE: &str =
    "add the name to the Certificate (components/cert-manager), or to `cargo xtask certs`";

/// The names of an identity, and what says so.
struct Identity<'a> {
    object: &'a Object,
    names: Vec<String>,
}

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        if let Some(Ok(settings)) = program::server(render, &container) {
            let tls = &settings.server.tls;
            let files = [&tls.certificate, &tls.private_key, &tls.client_ca];
            files_are_mounted(&mut examination, render, &container, files);
            if let Some(identity) = identity(render, &container, &tls.certificate) {
                workload(&mut examination, &container, &identity);
            }
        }
        if let Some(Ok(settings)) = program::client(render, &container) {
            let tls = &settings.tls;
            let files = [&tls.certificate, &tls.private_key, &tls.ca];
            files_are_mounted(&mut examination, render, &container, files);
            if let Some(identity) = identity(render, &container, &tls.certificate) {
                workload(&mut examination, &container, &identity);
            }
            if tls.enabled {
                dialled(&mut examination, render, &container, &tls.server_name);
            }
        }
    }
    examination
}

/// Files of TLS come from a Secret that is there.
fn files_are_mounted(
    examination: &mut Examination,
    render: &Render,
    container: &Container<'_>,
    files: [&std::path::PathBuf; 3],
) {
    for file in files.into_iter().filter(|it| !it.as_os_str().is_empty()) {
        let path = file.to_string_lossy();
        let is_there = container.mounted(&path).is_some_and(|it| {
            let of_certificate = ["tls.crt", "tls.key", "ca.crt"].contains(&it.key.as_str());
            match render.find(it.kind, &it.name) {
                Some(secret) => secret
                    .get("/data")
                    .or(secret.get("/stringData"))
                    .is_some_and(|data| data.get(&it.key).is_some()),
                None => of_certificate && issued(render, &it.name).is_some(),
            }
        });
        examination.expect(
            is_there,
            container.pod.owner,
            &container.at("/volumeMounts"),
            || format!("{path} comes from no Secret of the render"),
            "mount the Secret there, with the keys that cert-manager uses: tls.crt, tls.key, ca.crt",
        );
    }
}

fn issued<'a>(render: &'a Render, secret: &str) -> Option<&'a Object> {
    render
        .of("cert-manager.io", "Certificate")
        .find(|it| it.text("/spec/secretName") == Some(secret))
}

/// The names in the certificate that a container has as this file.
fn identity<'a>(
    render: &'a Render,
    container: &Container<'_>,
    certificate: &Path,
) -> Option<Identity<'a>> {
    let mounted = container.mounted(&certificate.to_string_lossy())?;
    if let Some(object) = issued(render, &mounted.name) {
        let fields = ["/spec/dnsNames", "/spec/uris"];
        let names = fields.into_iter().flat_map(|field| object.list(field));
        return Some(Identity {
            object,
            names: names.filter_map(Value::as_str).map(str::to_owned).collect(),
        });
    }
    let object = render.find(mounted.kind, &mounted.name)?;
    let pem = render
        .data(mounted.kind, &mounted.name)?
        .remove(&mounted.key)?;
    Some(Identity {
        object,
        names: names_of(&pem).unwrap_or_default(),
    })
}

/// The names of the first certificate of a chain; `None` when there is none that can be read.
fn names_of(pem: &str) -> Option<Vec<String>> {
    let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    };
    Some(names.value.general_names.iter().filter_map(text).collect())
}

/// The certificate says which workload it is.
fn workload(examination: &mut Examination, container: &Container<'_>, identity: &Identity<'_>) {
    let namespace = container.pod.owner.namespace().unwrap_or("default");
    // A policy names the identity in a text, which no prefix reaches; so it stays in the certificate too.
    let account = container.pod.account();
    let account = account.strip_prefix(PREFIX).unwrap_or(account);
    let id = format!("spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{account}");
    examination.expect(
        identity.names.contains(&id),
        identity.object,
        "",
        || {
            format!(
                "{id}, which is who {} is, is not among its names",
                container.pod.owner
            )
        },
        CURE,
    );
}

/// The certificates of whoever is dialled carry the name that is verified.
fn dialled(
    examination: &mut Examination,
    render: &Render,
    container: &Container<'_>,
    server_name: &str,
) {
    let namespace = container.pod.owner.namespace();
    for dial in dial::of(render, container) {
        let host = dial.host.trim_end_matches('.');
        let name = if server_name.is_empty() {
            host
        } else {
            server_name
        };
        let behind = render.service(host, namespace).map(|it| render.behind(it));
        for server in behind.into_iter().flatten().flat_map(Pod::containers) {
            let Some(Ok(settings)) = program::server(render, &server) else {
                continue;
            };
            let certificate = &settings.server.tls.certificate;
            match identity(render, &server, certificate) {
                Some(identity) => examination.expect(
                    identity.names.iter().any(|it| covers(it, name)),
                    identity.object,
                    "",
                    || {
                        format!(
                            "{name}, which {} dials, is not among its names",
                            container.pod.owner
                        )
                    },
                    CURE,
                ),
                None => examination.expect(
                    false,
                    server.pod.owner,
                    &server.at(""),
                    || {
                        format!(
                            "{} speaks TLS to it, and it has no certificate",
                            container.pod.owner
                        )
                    },
                    "set server.tls, or take tls.enabled from the client",
                ),
            }
        }
    }
}

/// Whether a name of a certificate is the name, or stands for it by a star (RFC 6125).
fn covers(pattern: &str, name: &str) -> bool {
    let wild = pattern.strip_prefix("*.");
    pattern == name || wild.is_some_and(|rest| name.split_once('.').is_some_and(|it| it.1 == rest))
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    #[test]
    fn certificates_with_all_names_hold() {
        assert_holds(examine);
    }

    #[test]
    fn every_name_can_be_missing() {
        for (from, to, found) in [
            (
                "      - user-server-headless.user-test.svc.cluster.local\n",
                "",
                "which Deployment/user-client dials",
            ),
            (
                "sa/user-server]",
                "sa/server]",
                "sa/user-server, which is who",
            ),
            (
                "sa/user-client], usages",
                "sa/client], usages",
                "sa/user-client, which is who",
            ),
            (
                "secret: {secretName: user-client-tls}",
                "secret: {secretName: other}",
                "/etc/user-client/tls/ca.crt comes from no Secret",
            ),
        ] {
            assert_breaks(examine, &[(from, to)], found);
        }
    }

    #[test]
    fn a_client_that_speaks_tls_to_plaintext_is_found() {
        let plain = [
            (
                "mode = \"mtls\"\n      certificate = \"/etc/user-server/tls/tls.crt\"\n      private_key = \"/etc/user-server/tls/tls.key\"\n      client_ca = \"/etc/user-server/tls/ca.crt\"",
                "mode = \"off\"",
            ),
            (
                "      mode = \"required\"\n      authenticators = [\"mtls\"]\n      open_reflection = true\n      policy = \"/etc/user-server/policy.toml\"\n",
                "      mode = \"off\"\n",
            ),
        ];
        assert_breaks(examine, &plain, "it has no certificate");
    }

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(covers("*.b.c", "a.b.c"));
        assert!(!covers("*.b.c", "x.a.b.c"));
        assert!(!covers("*.b.c", "b.c"));
    }

    #[test]
    fn the_names_of_a_certificate_are_read() {
        let made = generate_simple_self_signed(["a.b".to_owned()]).unwrap();
        assert_eq!(names_of(&made.cert.pem()), Some(vec!["a.b".to_owned()]));
        assert_eq!(names_of("no PEM"), None);
    }
}
