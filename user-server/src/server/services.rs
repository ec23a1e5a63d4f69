//! What is served: the service itself, health, and reflection.

use service_runtime::health::{self, Reporter};
use service_runtime::methods::Method;
use tonic::service::Routes;
use tonic_reflection::pb as reflection;
use tonic_reflection::server::Error;
use user_api::v1::user_service_server::{self, UserServiceServer};

use crate::rpc;
use crate::settings::Settings;
use crate::store::{Database, Traced};

/// The names that health knows.
pub(super) const NAMES: [&str; 1] = [user_service_server::SERVICE_NAME];

/// What the methods do, on the database.
pub(super) type Calls = rpc::Service<Traced<Database>>;

/// All of them.
#[derive(Debug)]
pub(super) struct Services {
    /// The one that most calls are for.
    pub(super) service: UserServiceServer<Calls>,
    /// Every one.
    pub(super) routes: Routes,
}

/// What is served: a policy has to cover it.
pub(crate) fn methods(settings: &Settings) -> Result<Vec<Method>, prost::DecodeError> {
    let mut served = vec![user_api::FILE_DESCRIPTOR_SET, health::FILE_DESCRIPTOR_SET];
    if settings.reflection.enabled {
        served.push(reflection::v1::FILE_DESCRIPTOR_SET);
        served.push(reflection::v1alpha::FILE_DESCRIPTOR_SET);
    }
    let methods: Result<Vec<_>, _> = served.into_iter().map(Method::of).collect();
    Ok(methods?.concat())
}

// === impl Services ===

impl Services {
    pub(super) fn new(settings: &Settings, calls: Calls, health: &Reporter) -> Result<Self, Error> {
        let largest = settings.limits.max_message_size;
        let service = settings
            .compression
            .apply(UserServiceServer::new(calls))
            .max_decoding_message_size(largest);
        let mut routes = Routes::builder();
        routes
            .add_service(service.clone())
            .add_service(health.service());
        if settings.reflection.enabled {
            let builder = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(user_api::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(health::FILE_DESCRIPTOR_SET)
                    // The details of errors, so that tools can show them.
                    .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(reflection::v1::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(reflection::v1alpha::FILE_DESCRIPTOR_SET)
                    .include_reflection_service(false)
            };
            // Both versions, because many tools still speak the older one.
            routes
                .add_service(builder().build_v1()?)
                .add_service(builder().build_v1alpha()?);
        }
        let routes = routes.routes().prepare();
        Ok(Self { service, routes })
    }
}
