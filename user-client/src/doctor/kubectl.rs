//! What to type next on Kubernetes, from what the target says: names in, commands out.

use std::net::IpAddr;

use grpc_channel::resolver::{Address, Source};

/// The Service that a target names, as far as its name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The Service.
    pub service: String,
    /// Its namespace; `None` for the one that `kubectl` is set to.
    pub namespace: Option<String>,
}

// === impl Place ===

impl Place {
    /// The Service behind what is asked for; `None` when it does not look like one. `search` are the
    /// search domains, by which a pod shows that it is one, and in which namespace.
    #[must_use]
    pub fn of(source: &Source, search: &[String]) -> Option<Self> {
        match source {
            Source::Dns { name, .. } => Self::named(name, search),
            Source::Srv { name, .. } => Self::named(name.splitn(3, '.').nth(2)?, search),
            Source::EndpointSlices { namespace, service } => Some(Self {
                service: service.clone(),
                namespace: Some(namespace.clone()),
            }),
            _ => None,
        }
    }

    fn named(name: &str, search: &[String]) -> Option<Self> {
        let home = search.iter().find_map(|domain| {
            let (namespace, rest) = domain.split_once('.')?;
            (rest == "svc" || rest.starts_with("svc.")).then_some(namespace)
        });
        let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
        let (service, namespace) = match labels[..] {
            [service, namespace, "svc", ..] => (service, Some(namespace)),
            // Without search domains of a cluster these are any host's names.
            [service] => (service, Some(home?)),
            [service, namespace] if home.is_some() => (service, Some(namespace)),
            _ => return None,
        };
        Some(Self {
            service: service.to_owned(),
            namespace: namespace.map(str::to_owned),
        })
    }

    /// Whether there is such a Service, and whether it is headless.
    #[must_use]
    pub fn get_service(&self) -> String {
        let Self { service, .. } = self;
        format!("kubectl get service {service}{}", self.within())
    }

    /// Which pods are behind it, and whether they are ready.
    #[must_use]
    pub fn get_endpoints(&self) -> String {
        let Self { service, .. } = self;
        format!(
            "kubectl get endpointslices{} --selector kubernetes.io/service-name={service} --output yaml",
            self.within()
        )
    }

    /// Which pods there are, and how they are.
    #[must_use]
    pub fn get_pods(&self) -> String {
        format!("kubectl get pods{} --output wide", self.within())
    }

    /// The pod that has this address.
    #[must_use]
    pub fn get_pod(&self, address: &Address) -> String {
        match ip(address) {
            Some(ip) => format!("{} --field-selector status.podIP={ip}", self.get_pods()),
            None => self.get_pods(),
        }
    }

    /// What may be in the way.
    #[must_use]
    pub fn get_policies(&self) -> String {
        format!("kubectl get networkpolicies{}", self.within())
    }

    fn within(&self) -> String {
        self.namespace
            .as_ref()
            .map_or_else(String::new, |namespace| format!(" --namespace {namespace}"))
    }
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Socket(address) => Some(address.ip()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, search: &[&str]) -> Option<(String, String)> {
        let source = Source::Dns {
            name: name.to_owned(),
            server: None,
        };
        let search: Vec<String> = search.iter().map(|&domain| domain.to_owned()).collect();
        let Place { service, namespace } = Place::of(&source, &search)?;
        Some((service, namespace?))
    }

    #[test]
    fn a_service_is_known_by_its_name_and_by_where_the_reader_is() {
        let pod = ["team.svc.cluster.local", "svc.cluster.local"];
        let found =
            |service: &str, namespace: &str| Some((service.to_owned(), namespace.to_owned()));
        for (name, search, expected) in [
            (
                "echo.default.svc.cluster.local.",
                &[][..],
                found("echo", "default"),
            ),
            ("echo.default.svc", &[], found("echo", "default")),
            ("echo.default", &pod, found("echo", "default")),
            ("echo", &pod, found("echo", "team")),
            ("echo", &[], None),
            ("example.com", &[], None),
            ("api.example.com", &pod, None),
        ] {
            assert_eq!(place(name, search), expected, "{name} in {search:?}");
        }
    }
}
