//! What was found of several resources, and what was not, as text and as `ProtoJSON`.

use serde::Serialize;
use user_api::v1::BatchGetUsersResponse;

use super::Resource;
use super::resource::rows;

/// The result of `batch-get` in its `ProtoJSON` form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch<'a> {
    users: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    missing_ids: &'a [String],
}

// === impl Batch ===

impl<'a> From<&'a BatchGetUsersResponse> for Batch<'a> {
    fn from(batch: &'a BatchGetUsersResponse) -> Self {
        Self {
            users: batch.users.iter().map(Resource::from).collect(),
            missing_ids: &batch.missing_ids,
        }
    }
}

impl Batch<'_> {
    /// One row per resource that was found, under a header.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        rows(&self.users, true)
    }
}
