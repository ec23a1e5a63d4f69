//! `user.v1.UserService`: takes protobuf apart, asks the domain and the store, and puts protobuf
//! together. One file for each method; [`status`] turns every error into what callers see.

mod batch_get;
mod convert;
mod create;
mod delete;
mod error;
mod get;
mod import;
mod list;
mod lookup;
pub mod status;
mod update;
mod watch;

use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use user_api::v1;
use user_api::v1::user_service_server::UserService;

use self::error::Error;
use crate::cache::Cache;
use crate::feed::Feed;
use crate::store::Store;

/// The implementation of the service. Clones share everything.
#[derive(Clone, Debug)]
pub struct Service<S> {
    store: S,
    cache: Cache,
    feed: Feed,
}

// === impl Service ===

impl<S: Store> Service<S> {
    /// The service on this store, with the cache and the feed that follow it.
    pub fn new(store: S, cache: Cache, feed: Feed) -> Self {
        Self { store, cache, feed }
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
        reply(&metadata, get::get(self, &request).await)
    }

    async fn batch_get_users(
        &self,
        request: Request<v1::BatchGetUsersRequest>,
    ) -> Result<Response<v1::BatchGetUsersResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, batch_get::batch_get(self, &request).await)
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, list::list(self, &request).await)
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::CreateUserResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, create::create(self, &request).await)
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::UpdateUserResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, update::update(self, &request).await)
    }

    async fn delete_user(
        &self,
        request: Request<v1::DeleteUserRequest>,
    ) -> Result<Response<v1::DeleteUserResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        reply(&metadata, delete::delete(self, &request).await)
    }

    async fn watch_users(
        &self,
        request: Request<v1::WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let events = watch::watch(self, &request, metadata.clone());
        reply(&metadata, events)
    }

    async fn import_users(
        &self,
        request: Request<Streaming<v1::ImportUsersRequest>>,
    ) -> Result<Response<v1::ImportUsersResponse>, Status> {
        let (metadata, _, rows) = request.into_parts();
        reply(&metadata, import::import(self, rows).await)
    }

    async fn lookup_users(
        &self,
        request: Request<Streaming<v1::LookupUsersRequest>>,
    ) -> Result<Response<Self::LookupUsersStream>, Status> {
        let (metadata, _, questions) = request.into_parts();
        let answers = lookup::lookup(self.clone(), questions, metadata);
        Ok(Response::new(answers))
    }
}

fn reply<T>(metadata: &MetadataMap, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status::of(error, metadata))
}
