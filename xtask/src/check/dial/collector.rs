//! Whom an OpenTelemetry Collector calls: the exporters of its own configuration.

use serde_json::Value;

use super::{By, Dial, authority};
use crate::check::object::text;
use crate::check::pod::Container;
use crate::check::program;
use crate::check::render::Render;

/// Its image; `-contrib` is one with more components.
const IMAGES: [&str; 2] = ["opentelemetry-collector", "opentelemetry-collector-contrib"];

/// The endpoints that its exporters have, with what `${env:NAME}` in them stands for. Nothing of a
/// configuration that cannot be read: the Collector itself says more of it, in the tests of the server.
pub(super) fn of(render: &Render, container: &Container<'_>) -> Vec<Dial> {
    if !IMAGES.contains(&container.program()) {
        return Vec::new();
    }
    let Some(config) = config(render, container) else {
        return Vec::new();
    };
    let exporters = config.get("exporters").and_then(Value::as_object);
    let endpoints = exporters.into_iter().flat_map(|all| all.values());
    let endpoints = endpoints.filter_map(|exporter| text(exporter, "endpoint"));
    let environment = container.environment(render);
    let dial = |endpoint: &str| {
        let mut endpoint = endpoint.to_owned();
        for (name, value) in &environment {
            endpoint = endpoint.replace(&format!("${{env:{name}}}"), value);
        }
        let address = endpoint.split_once("://").map_or(&*endpoint, |(_, it)| it);
        let (host, port) = authority(address);
        host.map(|host| Dial {
            host,
            port,
            setting: "exporters",
            by: By::Dns,
        })
    };
    endpoints.filter_map(dial).collect()
}

fn config(render: &Render, container: &Container<'_>) -> Option<Value> {
    let path = program::file(render, container)?;
    let (_, yaml) = program::text(render, container, &path).ok()?;
    serde_saphyr::from_str(&yaml).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::pod::Pod;

    const COLLECTOR: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: collector}
spec:
  template:
    spec:
      containers:
        - name: collector
          image: otel/opentelemetry-collector:1.2.3
          args: [--config=/etc/otelcol/config.yaml]
          env: [{name: BACKEND, value: jaeger}]
          volumeMounts: [{name: config, mountPath: /etc/otelcol}]
      volumes: [{name: config, configMap: {name: collector-config}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: collector-config}
data:
  config.yaml: |
    exporters:
      debug: {}
      otlp_grpc: {endpoint: '${env:BACKEND}:4317'}
      otlp_http: {endpoint: 'https://example.com:4318'}
";

    #[test]
    fn the_exporters_tell_whom_a_collector_calls() {
        let render = Render::parse("collector", COLLECTOR).unwrap();
        let container = render.pods().flat_map(Pod::containers).next().unwrap();
        let dials = of(&render, &container);
        let found: Vec<_> = dials.iter().map(|it| (it.host.as_str(), it.port)).collect();
        assert_eq!(found, [("jaeger", Some(4317)), ("example.com", Some(4318))]);
    }
}
