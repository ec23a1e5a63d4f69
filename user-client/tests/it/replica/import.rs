//! `ImportUsers`: row after row; what is refused is reported by its index.

use std::sync::atomic::Ordering;

use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;
use user_api::v1::{ImportError, ImportUsersRequest, ImportUsersResponse};

use super::Store;

pub(super) async fn run(
    store: &Store,
    mut rows: Streaming<ImportUsersRequest>,
) -> Result<ImportUsersResponse, Status> {
    let mut summary = ImportUsersResponse::default();
    while let Some(row) = rows.message().await? {
        let index = summary.received_count;
        summary.received_count += 1;
        store.rows_received.fetch_add(1, Ordering::Relaxed);
        match store.create(row.user.unwrap_or_default()) {
            Ok(_) => summary.created_count += 1,
            Err(status) => {
                summary.refused_count += 1;
                let info = status.get_details_error_info();
                summary.errors.push(ImportError {
                    index,
                    reason: info.map(|it| it.reason).unwrap_or_default(),
                    message: status.message().to_owned(),
                });
            }
        }
    }
    Ok(summary)
}
