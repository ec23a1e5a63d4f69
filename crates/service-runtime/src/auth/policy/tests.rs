//! Tests of policies: what they permit, and what is refused as one.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::tls::peer::Peer;

const POLICY: &str = r#"
[methods]
"/a.B/Read" = "read"
"/a.B/Write" = "write"

[[grants]]
to = { basic = "reporting" }
permissions = ["read"]

[[grants]]
to = { claim = { name = "scope", value = "admin" } }
permissions = ["read", "write"]

[[grants]]
to = { san = "spiffe://cluster.local/ns/*/sa/web" }
permissions = ["read"]
"#;

fn basic(name: &str) -> Caller {
    Caller::from(Principal::Basic {
        name: name.to_owned(),
    })
}

fn token(claims: &[(&str, &[&str])]) -> Caller {
    let owned = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect();
    Caller::from(Principal::Jwt {
        subject: "reporting".to_owned(),
        claims: claims
            .iter()
            .map(|(name, values)| ((*name).to_owned(), owned(values)))
            .collect(),
    })
}

fn peer(id: &str) -> Caller {
    Caller::from(Principal::Mtls(Arc::new(Peer {
        dns_names: vec!["reporting".to_owned()],
        spiffe_id: spiffe::SpiffeId::new(id).ok(),
    })))
}

#[test]
fn only_what_is_granted_is_permitted() {
    let policy = Policy::parse(POLICY).unwrap();
    let (read, write) = ("/a.B/Read", "/a.B/Write");
    for (caller, path, expected) in [
        (basic("reporting"), read, Decision::Permitted),
        (basic("reporting"), write, Decision::Missing("write")),
        (basic("Reporting"), read, Decision::Missing("read")),
        (basic("admin"), write, Decision::Missing("write")),
        (
            token(&[("scope", &["x", "admin"])]),
            write,
            Decision::Permitted,
        ),
        (
            token(&[("groups", &["admin"])]),
            write,
            Decision::Missing("write"),
        ),
        // A name is not a subject, nor a certificate's name.
        (token(&[]), read, Decision::Missing("read")),
        (
            peer("spiffe://cluster.local/ns/a/sa/web"),
            read,
            Decision::Permitted,
        ),
        (
            peer("spiffe://cluster.local/ns/a/sa/web2"),
            read,
            Decision::Missing("read"),
        ),
        (
            peer("spiffe://elsewhere/ns/a/sa/web"),
            read,
            Decision::Missing("read"),
        ),
        (basic("reporting"), "/a.B/Other", Decision::NotCovered),
        (basic("reporting"), "/a.B/Read/", Decision::NotCovered),
        (basic("reporting"), "", Decision::NotCovered),
    ] {
        assert_eq!(policy.decide(&caller, path), expected, "{caller} {path}");
    }
}

#[test]
fn methods_that_are_not_covered_are_named() {
    let method = |path: &str| Method {
        path: path.to_owned(),
        is_stream: false,
    };
    let policy = Policy::parse(POLICY).unwrap();
    let served = ["/a.B/Read", "/a.B/Watch", "/a.B/Write"].map(method);
    assert_eq!(policy.uncovered(&served), ["/a.B/Watch"]);
}

#[test]
fn a_policy_with_a_mistake_is_refused() {
    for (text, part) in [
        ("", "methods"),
        ("[methods]\n\"a.B/Read\" = \"r\"", "/package.Service/Method"),
        ("[methods]\n\"/a.B/*\" = \"r\"", "/package.Service/Method"),
        (
            "[methods]\n\"/a.B/Read\" = \"\"",
            "the name of a permission",
        ),
        ("[methods]\n[[grant]]", "unknown field `grant`"),
        (
            "[methods]\n[[grants]]\nto = { san = \"spiffe://*/x\" }\npermissions = []",
            "trust domain",
        ),
        (
            "[methods]\n[[grants]]\nto = { name = \"x\" }\npermissions = []",
            "unknown variant `name`",
        ),
    ] {
        let error = Policy::parse(text).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let message = format!("{error}: {}", cause.unwrap_or_default());
        assert!(message.contains(part), "{part:?} must be in {message:?}");
    }
}

proptest! {
    /// The arrangement of a policy for speed says the same as its text: a caller is let in if and only
    /// if one grant names it and the permission that the method needs.
    #[test]
    fn a_call_is_permitted_only_by_a_grant(
        needs in proptest::collection::vec(0..4_u8, 1..5),
        grants in proptest::collection::vec((0..3_u8, 0..3_u8, proptest::collection::vec(0..4_u8, 0..3)), 0..6),
        kind in 0..3_u8,
        who in 0..3_u8,
        method in 0..6_usize,
    ) {
        use std::fmt::Write as _;

        let mut text = "[methods]\n".to_owned();
        for (number, permission) in needs.iter().enumerate() {
            writeln!(text, "\"/a.B/M{number}\" = \"p{permission}\"").unwrap();
        }
        for (kind, who, permissions) in &grants {
            let to = match kind {
                0 => format!("{{ basic = \"n{who}\" }}"),
                1 => format!("{{ claim = {{ name = \"groups\", value = \"n{who}\" }} }}"),
                _ => format!("{{ san = \"spiffe://td/n{who}\" }}"),
            };
            let permissions: Vec<String> = permissions.iter().map(|it| format!("p{it}")).collect();
            writeln!(text, "[[grants]]\nto = {to}\npermissions = {permissions:?}").unwrap();
        }
        let policy = Policy::parse(&text).unwrap();
        let name = format!("n{who}");
        let caller = match kind {
            0 => basic(&name),
            1 => token(&[("groups", &[&name])]),
            _ => peer(&format!("spiffe://td/{name}")),
        };
        let expected = needs.get(method).is_some_and(|need| {
            grants.iter().any(|(to, whom, permissions)| {
                *to == kind && *whom == who && permissions.contains(need)
            })
        });
        let decision = policy.decide(&caller, &format!("/a.B/M{method}"));
        prop_assert_eq!(decision == Decision::Permitted, expected);
    }

    /// Whatever a file holds, reading it does not panic.
    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = Policy::parse(&text);
    }
}
