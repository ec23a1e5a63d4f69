//! A store whose operations are spans, for calls whose trace is sampled; children of whatever span is
//! current.
//!
//! The attributes are those of OpenTelemetry's conventions for databases. Nothing of what callers send
//! is among them: a trace is read by more people than a database.

use std::future::Future;
use std::time::Instant;

use jiff::Timestamp;
use opentelemetry::trace::{
    FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use service_runtime::telemetry::traces::Tracer;

use super::sql::statements::TABLE;
use super::{Error, Imported, Store, Stored};
use crate::domain::{
    Change, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User, UserId,
};

/// A store, and what its spans are made with.
#[derive(Clone, Debug)]
pub struct Traced<S> {
    inner: S,
    /// `db.system.name`.
    system: &'static str,
    /// `None` makes no spans.
    tracer: Option<Tracer>,
}

/// Waits for a connection, and notes in the current span for how long: a slow call that waited needs
/// another cure than a slow statement.
pub(super) async fn waited<T>(event: &'static str, connection: impl Future<Output = T>) -> T {
    if !is_sampled() {
        return connection.await;
    }
    let start = Instant::now();
    let connection = connection.await;
    let wait = KeyValue::new(
        "db.client.connection.wait_time",
        start.elapsed().as_secs_f64(),
    );
    Context::map_current(|cx| cx.span().add_event(event, vec![wait]));
    connection
}

fn is_sampled() -> bool {
    Context::map_current(|cx| cx.span().span_context().is_sampled())
}

// === impl Traced ===

impl<S> Traced<S> {
    /// Makes spans of what the store does; `system` is the database's name in OpenTelemetry's list.
    pub fn new(inner: S, system: &'static str, tracer: Option<Tracer>) -> Self {
        Self {
            inner,
            system,
            tracer,
        }
    }

    async fn span<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(cx) = self.begin(operation) else {
            return call.await;
        };
        // A call that is dropped ends its span with the context.
        let result = call.with_context(cx.clone()).await;
        let span = cx.span();
        if let Err(error) = &result {
            span.set_attribute(KeyValue::new("error.type", error.kind()));
            if !error.is_answer() {
                span.set_status(Status::error(""));
            }
        }
        span.end();
        result
    }

    fn begin(&self, operation: &'static str) -> Option<Context> {
        let tracer = self.tracer.as_ref().filter(|_| is_sampled())?;
        let builder = SpanBuilder::from_name(format!("{operation} {TABLE}"))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("db.system.name", self.system),
                KeyValue::new("db.operation.name", operation),
                KeyValue::new("db.collection.name", TABLE),
            ]);
        let parent = Context::current();
        let span = tracer.build_with_context(builder, &parent);
        Some(parent.with_span(span))
    }
}

impl<S: Store> Store for Traced<S> {
    async fn get(&self, id: UserId) -> Result<Option<Stored>, Error> {
        self.span("get", self.inner.get(id)).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        self.span("find_by_email", self.inner.find_by_email(email))
            .await
    }

    async fn batch_get(&self, ids: &Ids) -> Result<Vec<User>, Error> {
        self.span("batch_get", self.inner.batch_get(ids)).await
    }

    async fn list(&self, query: &Query) -> Result<Page, Error> {
        self.span("list", self.inner.list(query)).await
    }

    async fn create(&self, user: &User, request: Option<RequestId>) -> Result<Change, Error> {
        self.span("create", self.inner.create(user, request)).await
    }

    async fn update(&self, update: &Update, now: Timestamp) -> Result<Change, Error> {
        self.span("update", self.inner.update(update, now)).await
    }

    async fn delete(
        &self,
        id: UserId,
        etag: Option<&Etag>,
        now: Timestamp,
    ) -> Result<Change, Error> {
        self.span("delete", self.inner.delete(id, etag, now)).await
    }

    async fn import(&self, users: &[User]) -> Result<Vec<Imported>, Error> {
        self.span("import", self.inner.import(users)).await
    }

    async fn head(&self) -> Result<Position, Error> {
        self.span("head", self.inner.head()).await
    }

    async fn changes(&self, after: Position, limit: u16) -> Result<Vec<Change>, Error> {
        self.span("changes", self.inner.changes(after, limit)).await
    }

    async fn follow(&self, after: Position, limit: u16) -> Result<Vec<Change>, Error> {
        self.span("follow", self.inner.follow(after, limit)).await
    }

    async fn unchanged_since(
        &self,
        head: Position,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<User>, Error> {
        let call = self.inner.unchanged_since(head, after, limit);
        self.span("unchanged_since", call).await
    }

    async fn prune(&self, horizon: Timestamp, limit: u16) -> Result<usize, Error> {
        self.span("prune", self.inner.prune(horizon, limit)).await
    }

    async fn news(&self) {
        self.inner.news().await;
    }

    async fn ping(&self) -> Result<(), Error> {
        self.span("ping", self.inner.ping()).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

// === impl Error ===

impl Error {
    /// `error.type`.
    fn kind(&self) -> &'static str {
        match self {
            Self::EmailTaken => "email_taken",
            Self::NotFound => "not_found",
            Self::EtagMismatch => "etag_mismatch",
            Self::Pruned => "pruned",
            Self::Contended(_) => "contended",
            Self::Unavailable(_) => "unavailable",
            Self::Failed(_) => "failed",
            Self::Corrupt { .. } => "corrupt",
        }
    }

    /// Whether the database did what it should, and this is what came of it.
    fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::EmailTaken | Self::NotFound | Self::EtagMismatch | Self::Pruned
        )
    }
}
