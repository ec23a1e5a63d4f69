//! `user.v1.UserService`: takes protobuf apart, asks the domain and the store, and puts protobuf
//! together. One file for each topic; [`status`] turns every error into what callers see.

mod convert;
mod create;
mod error;
mod get;
mod list;
pub mod status;

use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use user_api::v1;
use user_api::v1::user_service_server::UserService;

use self::error::Error;
use crate::store::Store;

/// The implementation of the service on a store.
#[derive(Clone, Debug)]
pub struct Service<S> {
    store: S,
}

// === impl Service ===

impl<S: Store> Service<S> {
    /// The service on this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl<S: Store> UserService for Service<S> {
    type WatchUsersStream = BoxStream<v1::WatchUsersResponse>;
    type LookupUsersStream = BoxStream<v1::LookupUsersResponse>;

    async fn get_user(
        &self,
        request: Request<v1::GetUserRequest>,
    ) -> Result<Response<v1::GetUserResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, get::get(&self.store, &request).await)
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, list::list(&self.store, &request).await)
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::CreateUserResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, create::create(&self.store, &request).await)
    }

    async fn batch_get_users(
        &self,
        request: Request<v1::BatchGetUsersRequest>,
    ) -> Result<Response<v1::BatchGetUsersResponse>, Status> {
        unimplemented(request.metadata(), "BatchGetUsers")
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::UpdateUserResponse>, Status> {
        unimplemented(request.metadata(), "UpdateUser")
    }

    async fn delete_user(
        &self,
        request: Request<v1::DeleteUserRequest>,
    ) -> Result<Response<v1::DeleteUserResponse>, Status> {
        unimplemented(request.metadata(), "DeleteUser")
    }

    async fn watch_users(
        &self,
        request: Request<v1::WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        unimplemented(request.metadata(), "WatchUsers")
    }

    async fn import_users(
        &self,
        request: Request<Streaming<v1::ImportUsersRequest>>,
    ) -> Result<Response<v1::ImportUsersResponse>, Status> {
        unimplemented(request.metadata(), "ImportUsers")
    }

    async fn lookup_users(
        &self,
        request: Request<Streaming<v1::LookupUsersRequest>>,
    ) -> Result<Response<Self::LookupUsersStream>, Status> {
        unimplemented(request.metadata(), "LookupUsers")
    }
}

fn reply<T>(metadata: &MetadataMap, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status::of(&error, metadata))
}

fn unimplemented<T>(metadata: &MetadataMap, method: &'static str) -> Result<Response<T>, Status> {
    reply(metadata, Err(Error::Unimplemented { method }))
}
