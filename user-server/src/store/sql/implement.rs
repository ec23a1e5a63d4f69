//! The trait, by the operations of a database.

/// Runs one operation in a transaction that writes, again when it lost against another one.
macro_rules! transact {
    ($self:ident, $transaction:ident => $operation:expr) => {
        $self
            .bounded($crate::store::sql::retry::retry(|| async {
                let mut transaction = $self.begin().await?;
                let $transaction = &mut *transaction;
                match $operation.await {
                    Ok(done) => {
                        transaction.commit().await?;
                        $self.committed();
                        Ok(done)
                    }
                    Err(error) => {
                        // At once, for it holds the lock of all writers. A connection on which this
                        // fails is lost, and what it did with it.
                        let _ = transaction.rollback().await;
                        Err(error)
                    }
                }
            }))
            .await
    };
}

/// Implements [`Store`](crate::store::Store) for a type with an `operations` module beside it and the
/// methods `read`, `begin` and `background` (a connection; a transaction that writes; a connection that
/// calls do not compete for), `bounded` (a future with the time limit of a call), `committed` (told after every write), `wait_for_news` and `shut_down`.
macro_rules! implement_store {
    ($store:ty) => {
        impl $crate::store::Store for $store {
            async fn get(&self, id: UserId) -> Result<Option<Stored>, Error> {
                self.bounded(async { operations::get(&mut *self.read().await?, id).await })
                    .await
            }

            async fn find_by_email(&self, email: &Email) -> Result<Option<User>, Error> {
                self.bounded(async {
                    operations::find_by_email(&mut *self.read().await?, email).await
                })
                .await
            }

            async fn batch_get(&self, ids: &Ids) -> Result<Vec<User>, Error> {
                self.bounded(async { operations::batch_get(&mut *self.read().await?, ids).await })
                    .await
            }

            async fn list(&self, query: &Query) -> Result<Page, Error> {
                self.bounded(async { operations::list(&mut *self.read().await?, query).await })
                    .await
            }

            async fn create(
                &self,
                user: &User,
                request: Option<RequestId>,
            ) -> Result<Change, Error> {
                transact!(self, it => operations::create(it, user, request))
            }

            async fn update(&self, update: &Update, now: Timestamp) -> Result<Change, Error> {
                transact!(self, it => operations::update(it, update, now))
            }

            async fn delete(
                &self,
                id: UserId,
                etag: Option<&Etag>,
                now: Timestamp,
            ) -> Result<Change, Error> {
                transact!(self, it => operations::delete(it, id, etag, now))
            }

            async fn import(&self, users: &[User]) -> Result<Vec<Imported>, Error> {
                transact!(self, it => operations::import(it, users))
            }

            async fn head(&self) -> Result<Position, Error> {
                self.bounded(async { operations::head(&mut *self.read().await?).await })
                    .await
            }

            async fn changes(&self, after: Position, limit: u16) -> Result<Vec<Change>, Error> {
                self.bounded(async {
                    operations::changes(&mut *self.read().await?, after, limit).await
                })
                .await
            }

            async fn unchanged_since(
                &self,
                head: Position,
                after: Option<UserId>,
                limit: u16,
            ) -> Result<Vec<User>, Error> {
                self.bounded(async {
                    let mut connection = self.read().await?;
                    operations::unchanged_since(&mut *connection, head, after, limit).await
                })
                .await
            }

            async fn prune(&self, horizon: Timestamp, limit: u16) -> Result<usize, Error> {
                transact!(self, it => operations::prune(it, horizon, limit))
            }

            async fn news(&self) {
                self.wait_for_news().await;
            }

            async fn ping(&self) -> Result<(), Error> {
                operations::ping(&mut *self.background().await?).await
            }

            async fn close(&self) {
                self.shut_down().await;
            }
        }
    };
}

pub(in crate::store) use implement_store;
pub(in crate::store) use transact;
