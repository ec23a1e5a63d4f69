//! `ListUsers`.

use user_api::v1::{ListUsersRequest, ListUsersResponse};

use super::error::Error;
use super::{Service, convert};
use crate::domain::Query;
use crate::store::Store;

pub(super) async fn list<S: Store>(
    service: &Service<S>,
    request: &ListUsersRequest,
) -> Result<ListUsersResponse, Error> {
    let query = Query::parse(
        request.page_size,
        &request.page_token,
        &request.display_name_prefix,
    )?;
    let page = service.store.list(&query).await.map_err(Error::Store)?;
    Ok(ListUsersResponse {
        users: page.users.iter().map(convert::user).collect(),
        next_page_token: page.next.map(|token| token.to_string()).unwrap_or_default(),
    })
}
