//! A tiny server that keeps its data in memory and misbehaves on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use user_api::v1::user_service_server::{UserService, UserServiceServer};
use user_api::v1::*;

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Every n-th call is `RESOURCE_EXHAUSTED`, which no client retries by itself.
    EveryNth(u64),
    /// No call is answered.
    Stall,
}

#[derive(Debug)]
struct Service {
    name: &'static str,
    fault: Fault,
    calls: Arc<AtomicU64>,
    users: Mutex<Vec<User>>,
}

impl Replica {
    pub(crate) async fn start(name: &'static str, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let service = Service {
            name,
            fault,
            calls: calls.clone(),
            users: Mutex::default(),
        };
        let server = tonic::transport::Server::builder()
            .add_service(UserServiceServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(async move { server.await.unwrap() });
        Self {
            address,
            calls,
            task,
        }
    }

    pub(crate) fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    async fn answer<T>(&self, answer: Result<T, Status>) -> Result<Response<T>, Status> {
        let count = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::EveryNth(n) if count.is_multiple_of(n) => {
                return Err(Status::resource_exhausted("on purpose"));
            }
            Fault::Stall => std::future::pending().await,
            Fault::EveryNth(_) | Fault::None => {}
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
        let id = request.into_inner().id;
        let found = self
            .users
            .lock()
            .unwrap()
            .iter()
            .find(|it| it.id == id)
            .cloned();
        let answer = found
            .map(|user| GetUserResponse { user: Some(user) })
            .ok_or_else(|| {
                let mut details = ErrorDetails::new();
                details.set_resource_info("user.v1.User", &id, "", "there is none");
                Status::with_error_details(Code::NotFound, "no such id", details)
            });
        self.answer(answer).await
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let mut user = request.into_inner().user.unwrap_or_default();
        let mut details = ErrorDetails::new();
        if user.display_name.is_empty() {
            details.add_bad_request_violation("user.display_name", "must not be empty");
        }
        if !user.email.contains('@') {
            details.add_bad_request_violation("user.email", "must be an address");
        }
        let answer = if details.has_bad_request_violations() {
            details.set_error_info(
                "INVALID",
                "example.com",
                [("field".to_owned(), "user".to_owned())],
            );
            details.set_retry_info(Some(Duration::from_secs(2)));
            Err(Status::with_error_details(
                Code::InvalidArgument,
                "the request is not valid",
                details,
            ))
        } else {
            let mut users = self.users.lock().unwrap();
            user.id = format!("id-{}", users.len());
            user.create_time = Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            });
            users.push(user.clone());
            Ok(CreateUserResponse { user: Some(user) })
        };
        self.answer(answer).await
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let request = request.into_inner();
        let first: usize = request.page_token.parse().unwrap_or(0);
        let size = usize::try_from(request.page_size).unwrap().max(1);
        let users: Vec<User> = self
            .users
            .lock()
            .unwrap()
            .iter()
            .filter(|it| it.display_name.starts_with(&request.display_name_prefix))
            .cloned()
            .collect();
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
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_user(
        &self,
        _: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_user(
        &self,
        _: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type WatchUsersStream = tokio_stream::Empty<Result<WatchUsersResponse, Status>>;

    async fn watch_users(
        &self,
        _: Request<WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn import_users(
        &self,
        _: Request<tonic::Streaming<ImportUsersRequest>>,
    ) -> Result<Response<ImportUsersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type LookupUsersStream = tokio_stream::Empty<Result<LookupUsersResponse, Status>>;

    async fn lookup_users(
        &self,
        _: Request<tonic::Streaming<LookupUsersRequest>>,
    ) -> Result<Response<Self::LookupUsersStream>, Status> {
        Err(Status::unimplemented(""))
    }
}
