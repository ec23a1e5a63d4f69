//! `delete`: one resource less.

use clap::Args;
use serde::Serialize;
use user_api::v1::DeleteUserRequest;

use super::Session;
use crate::error::Error;
use crate::output::printable;

const METHOD: &str = "DeleteUser";

/// Delete one user.
#[derive(Args, Debug)]
#[command(after_help = "\
With --etag the call fails with ABORTED (exit code 75) when it was changed in the meantime. With \
--output json the result is {}, the DeleteUserResponse as ProtoJSON.

Examples:
  user-client delete 01890a5d-ac96-774b-bcce-b302099a8057
  user-client delete 01890a5d-ac96-774b-bcce-b302099a8057 --allow-missing")]
pub struct Delete {
    /// The id: a UUID, as `create` and `list` show it.
    id: String,
    /// Delete it only when this is its current etag, as `get` shows it.
    #[arg(long)]
    etag: Option<String>,
    /// Succeed as well when there is none with this id, so that the command can be repeated.
    #[arg(long)]
    allow_missing: bool,
}

/// The `DeleteUserResponse`, which has no fields.
#[derive(Debug, Serialize)]
struct Empty {}

// === impl Delete ===

impl Delete {
    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let request = session.request(DeleteUserRequest {
            id: self.id.clone(),
            etag: self.etag.unwrap_or_default(),
            allow_missing: self.allow_missing,
        });
        session
            .client
            .delete_user(request)
            .await
            .map_err(|status| session.failed(METHOD, status))?;
        session.print(&Empty {}, |_| format!("deleted {}", printable(&self.id)))
    }
}
