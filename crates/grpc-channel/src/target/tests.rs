//! What targets mean, and what is said about those that mean nothing.

use super::*;

fn parsed(text: &str) -> Target {
    text.parse().unwrap()
}

#[test]
fn a_dns_name_keeps_its_final_dot_for_the_query_and_loses_it_for_the_authority() {
    for text in [
        "dns:///echo-headless.default.svc.cluster.local.:50051",
        "dns:echo-headless.default.svc.cluster.local.:50051",
        "echo-headless.default.svc.cluster.local.:50051",
    ] {
        let target = parsed(text);
        assert_eq!(
            target.authority(),
            "echo-headless.default.svc.cluster.local:50051",
            "{text}"
        );
        let Kind::Dns {
            server: None,
            host,
            port: 50051,
        } = target.kind()
        else {
            panic!("{text} is a DNS name: {target:?}");
        };
        assert!(host.ends_with('.'), "the query is absolute");
    }
}

#[test]
fn the_dns_server_can_be_chosen() {
    for (text, expected) in [
        ("dns://127.0.0.1:5353/name:80", "127.0.0.1:5353"),
        ("dns://127.0.0.1/name:80", "127.0.0.1:53"),
        ("dns://[::1]:5353/name:80", "[::1]:5353"),
        ("dns://[::1]/name:80", "[::1]:53"),
    ] {
        let target = parsed(text);
        let Kind::Dns {
            server: Some(server),
            ..
        } = target.kind()
        else {
            panic!("{text} names a server: {target:?}");
        };
        assert_eq!(server.to_string(), expected);
    }
}

#[test]
fn a_list_of_addresses_is_taken_as_it_is() {
    let target = parsed("ipv4:10.0.0.1:50051,10.0.0.2:50052");
    let Kind::Fixed(addresses) = target.kind() else {
        panic!("{target:?} is a list");
    };
    assert_eq!(addresses.len(), 2);
    assert_eq!(target.authority(), "10.0.0.1:50051");
    assert_eq!(parsed("ipv6:[::1]:80").authority(), "[::1]:80");
    assert_eq!(parsed("127.0.0.1:80").authority(), "127.0.0.1:80");
}

#[test]
fn srv_records_belong_to_the_name_without_its_service_and_protocol() {
    for (text, authority) in [
        (
            "dns+srv:///_grpc._tcp.echo.default.svc.",
            "echo.default.svc",
        ),
        ("dns+srv:_grpc._tcp.echo", "echo"),
        ("dns+srv://127.0.0.1:5353/_grpc._tcp.echo.test", "echo.test"),
    ] {
        let target = parsed(text);
        assert_eq!(target.authority(), authority, "{text}");
        let Kind::Srv { server, name } = target.kind() else {
            panic!("{text} asks for SRV records: {target:?}");
        };
        assert_eq!(server.is_some(), text.contains("5353"));
        assert!(
            text.ends_with(name.as_str()),
            "the query is as it was written"
        );
    }
}

#[cfg(feature = "kubernetes")]
#[test]
fn a_service_has_the_authority_of_its_name_in_dns() {
    for (text, number, expected) in [
        ("k8s:///echo.default:50051", true, "echo.default.svc:50051"),
        ("k8s:///echo.default:grpc", false, "echo.default.svc"),
    ] {
        let target = parsed(text);
        assert_eq!(target.authority(), expected);
        let Kind::Kubernetes {
            service,
            namespace,
            port,
        } = target.kind()
        else {
            panic!("{text} is a Service: {target:?}");
        };
        assert_eq!((service.as_str(), namespace.as_str()), ("echo", "default"));
        assert_eq!(matches!(port, kubernetes::Port::Number(50_051)), number);
    }
    for text in [
        "k8s:echo.default:80",
        "k8s:///echo:80",
        "k8s:///echo.default",
        "k8s:///echo.default:0",
        "k8s:///echo.default:70000",
        "k8s:///echo.default:GRPC",
        "k8s:///echo.default.svc:80",
    ] {
        let said = text.parse::<Target>().unwrap_err().to_string();
        assert!(said.contains("k8s:///service.namespace:port"), "{said}");
    }
}

#[cfg(not(feature = "kubernetes"))]
#[test]
fn a_service_needs_the_feature() {
    let said = "k8s:///echo.default:80".parse::<Target>().unwrap_err();
    assert!(said.to_string().contains("needs the feature kubernetes"));
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_local() {
    for (text, path) in [
        ("unix:run/echo.sock", "run/echo.sock"),
        ("unix:/run/echo.sock", "/run/echo.sock"),
        ("unix:///run/echo.sock", "/run/echo.sock"),
    ] {
        let target = parsed(text);
        assert_eq!(target.authority(), "localhost");
        let expected = Kind::Fixed(vec![Address::Unix(path.into())]);
        assert_eq!(target.kind(), &expected, "{text}");
    }
}

#[test]
fn a_bad_target_says_what_was_expected() {
    for (text, expected) in [
        ("", "it is empty"),
        ("http://name:80", "the scheme \"http\" is not known"),
        ("dns:///name", "has no port"),
        ("localhost", "has no port"),
        ("dns:///name:0", "is not a number from 1 to 65535"),
        ("127.0.0.1:0", "is not a number from 1 to 65535"),
        ("dns:///name:http", "is not a number from 1 to 65535"),
        ("dns://name:53/name:80", "is not an address"),
        ("dns://name:80", "is not an address"),
        ("dns:///na me:80", "is not a host name"),
        ("dns:///:80", "is not a host name"),
        ("dns+srv:///echo.test", "is not the name of SRV records"),
        ("dns+srv:///_grpc._tcp", "is not the name of SRV records"),
        ("dns+srv:///_grpc._tcp.echo:80", "is not the name of SRV"),
        ("dns+srv:///_._tcp.echo", "is not the name of SRV records"),
        ("dns+srv://name/_grpc._tcp.echo", "is not an address"),
        #[cfg(unix)]
        ("unix:", "is not the path of a Unix socket"),
        #[cfg(unix)]
        ("unix://run/echo.sock", "is not the path of a Unix socket"),
        ("ipv4:10.0.0.1", "is not an IPv4 address with a port"),
        ("ipv4:10.0.0.1:1,", "is not an IPv4 address with a port"),
        ("ipv4:[::1]:80", "is not an IPv4 address with a port"),
        ("ipv6:10.0.0.1:80", "is not an IPv6 address with a port"),
    ] {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}
