//! The three methods, answered from what the [`Reporter`] was told.

use std::pin::Pin;

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

pub use super::pb::health_server::HealthServer;
use super::pb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_server::Health,
};
use super::{Board, Phase, Reporter, ServingStatus};

/// The implementation of `grpc.health.v1.Health`.
#[derive(Clone, Debug)]
pub struct Service {
    reporter: Reporter,
}

/// One `Watch`.
struct Watcher {
    service: String,
    board: watch::Receiver<Board>,
    last: Option<ServingStatus>,
}

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

// === impl Reporter ===

impl Reporter {
    /// The service to add to the routes.
    #[must_use]
    pub fn service(&self) -> HealthServer<Service> {
        HealthServer::new(Service {
            reporter: self.clone(),
        })
    }
}

// === impl Service ===

#[tonic::async_trait]
impl Health for Service {
    type WatchStream = Statuses;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.reporter
            .status(&request.get_ref().service)
            .map(|status| Response::new(answer(status)))
            .ok_or_else(|| Status::not_found("no such service is registered"))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let board = self.reporter.board.borrow();
        let statuses = board
            .statuses
            .keys()
            .filter_map(|service| Some((service.to_string(), answer(board.status(service)?))))
            .collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Statuses>, Status> {
        let watcher = Watcher {
            service: request.into_inner().service,
            board: self.reporter.board.subscribe(),
            last: None,
        };
        let changes = stream::unfold(watcher, |mut watcher| async move {
            let status = watcher.next().await?;
            Some((Ok(answer(status)), watcher))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

// === impl Watcher ===

impl Watcher {
    /// The next status that differs from the last one sent; `None` when the server stops.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let (status, phase) = {
                let board = self.board.borrow_and_update();
                let status = board.status(&self.service);
                (status.unwrap_or(ServingStatus::ServiceUnknown), board.phase)
            };
            if self.last != Some(status) {
                self.last = Some(status);
                return Some(status);
            }
            if phase == Phase::Closed || self.board.changed().await.is_err() {
                return None;
            }
        }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
