//! The RPCs over the store, each in a few lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use user_api::v1::user_service_server::UserService;
use user_api::v1::*;

use super::{Fault, Store, import, lookup, watch};

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) calls: Arc<AtomicU64>,
    pub(super) store: Arc<Store>,
    pub(super) draining: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Service {
    async fn answer<T>(&self, answer: Result<T, Status>) -> Result<Response<T>, Status> {
        let count = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::EveryNth(n) if count.is_multiple_of(n) => {
                return Err(Status::resource_exhausted("on purpose"));
            }
            Fault::Stall => std::future::pending().await,
            Fault::EveryNth(_) | Fault::ShedWatchAfter(_) | Fault::NotServing | Fault::None => {}
        }
        if *self.draining.borrow() {
            return Err(Status::unavailable("this replica drains"));
        }
        let mut response = Response::new(answer?);
        response
            .metadata_mut()
            .insert("x-served-by", self.name.parse().unwrap());
        Ok(response)
    }
}

#[tonic::async_trait]
impl UserService for Service {
    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let encoding = request.metadata().get("grpc-encoding");
        *self.store.encoding.lock().unwrap() = encoding.map(|it| it.to_str().unwrap().to_owned());
        let found = self.store.get(&request.into_inner().id);
        self.answer(found.map(|user| GetUserResponse { user: Some(user) }))
            .await
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let user = request.into_inner().user.unwrap_or_default();
        let created = self.store.create(user);
        self.answer(created.map(|user| CreateUserResponse { user: Some(user) }))
            .await
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let request = request.into_inner();
        let first: usize = request.page_token.parse().unwrap_or(0);
        let size = match usize::try_from(request.page_size).unwrap() {
            0 => 50,
            size => size,
        };
        let mut users = self.store.users();
        users.retain(|it| it.display_name.starts_with(&request.display_name_prefix));
        let next = first + size;
        let page = ListUsersResponse {
            users: users.iter().skip(first).take(size).cloned().collect(),
            next_page_token: if next < users.len() {
                next.to_string()
            } else {
                String::new()
            },
        };
        self.answer(Ok(page)).await
    }

    async fn batch_get_users(
        &self,
        request: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        let mut batch = BatchGetUsersResponse::default();
        for id in request.into_inner().ids {
            match self.store.get(&id) {
                Ok(user) => batch.users.push(user),
                Err(_) => batch.missing_ids.push(id),
            }
        }
        self.answer(Ok(batch)).await
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        let request = request.into_inner();
        let mask = request.update_mask.unwrap_or_default().paths;
        let updated = self.store.update(&request.user.unwrap_or_default(), &mask);
        self.answer(updated.map(|user| UpdateUserResponse { user: Some(user) }))
            .await
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        let request = request.into_inner();
        let deleted = match self.store.delete(&request.id, &request.etag) {
            Err(status) if status.code() == tonic::Code::NotFound && request.allow_missing => {
                Ok(())
            }
            other => other,
        };
        self.answer(deleted.map(|()| DeleteUserResponse {})).await
    }

    type WatchUsersStream = ReceiverStream<Result<WatchUsersResponse, Status>>;

    async fn watch_users(
        &self,
        request: Request<WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        let limit = match self.fault {
            Fault::ShedWatchAfter(changes) => changes,
            _ => usize::MAX,
        };
        let start = request.into_inner().start;
        let stream = watch::stream(&self.store, start, limit, self.draining.subscribe());
        self.answer(stream).await
    }

    async fn import_users(
        &self,
        request: Request<Streaming<ImportUsersRequest>>,
    ) -> Result<Response<ImportUsersResponse>, Status> {
        let summary = import::run(&self.store, request.into_inner()).await;
        self.answer(summary).await
    }

    type LookupUsersStream = ReceiverStream<Result<LookupUsersResponse, Status>>;

    async fn lookup_users(
        &self,
        request: Request<Streaming<LookupUsersRequest>>,
    ) -> Result<Response<Self::LookupUsersStream>, Status> {
        let answers = lookup::stream(self.store.clone(), request.into_inner());
        self.answer(Ok(answers)).await
    }
}
