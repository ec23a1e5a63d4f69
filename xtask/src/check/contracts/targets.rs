//! Clients dial a Service of the render, by its absolute name: with `ndots:5`, a name that does not end
//! with a dot is first looked up under every search domain of the pod.

use serde_json::Value;

use crate::check::dial::{self, By};
use crate::check::finding::Examination;
use crate::check::pod::Pod;
use crate::check::program::CLIENT;
use crate::check::render::Render;

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let owner = container.pod.owner;
        for dial in dial::of(render, &container) {
            examination.subject();
            let place = container.at("/env");
            let host = &dial.host;
            if container.program() == CLIENT && dial.by == By::Dns && !host.ends_with('.') {
                examination.report(
                    owner,
                    &place,
                    format!("{}: {host} is not absolute", dial.setting),
                    "end the name with a dot, behind the cluster's domain",
                );
            }
            let Some(service) = render.service(host, owner.namespace()) else {
                examination.report(
                    owner,
                    &place,
                    format!("{}: {host} is no Service of the render", dial.setting),
                    "compare with the names of the Services, and with name-references.yaml",
                );
                continue;
            };
            let ports = service.list("/spec/ports").iter();
            let mut ports = ports.filter_map(|it| it.get("port").and_then(Value::as_u64));
            if let Some(port) = dial.port
                && !ports.any(|it| it == u64::from(port))
            {
                examination.report(
                    owner,
                    &place,
                    format!("{}: {service} has no port {port}", dial.setting),
                    "compare with the ports of the Service",
                );
            }
        }
    }
    examination
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    const TARGET: &str = "user-server-headless.$(POD_NAMESPACE).svc.cluster.local.:50051";

    #[test]
    fn an_absolute_name_of_a_service_holds() {
        assert_holds(examine);
    }

    #[test]
    fn a_relative_name_is_found() {
        let relative = "user-server-headless:50051";
        assert_breaks(examine, &[(TARGET, relative)], "is not absolute");
    }

    #[test]
    fn a_name_of_nothing_is_found() {
        let other = "user-headless.$(POD_NAMESPACE).svc.cluster.local.:50051";
        assert_breaks(examine, &[(TARGET, other)], "is no Service");
        assert_breaks(
            examine,
            &[("value: postgres}", "value: database}")],
            "is no Service",
        );
    }

    #[test]
    fn a_port_that_the_service_lacks_is_found() {
        let other = "user-server-headless.$(POD_NAMESPACE).svc.cluster.local.:50052";
        assert_breaks(examine, &[(TARGET, other)], "has no port 50052");
    }
}
