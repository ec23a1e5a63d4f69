//! `get`: one resource by its id.

use clap::Args;
use user_api::v1::GetUserRequest;

use super::Session;
use crate::error::Error;

const METHOD: &str = "GetUser";

/// Show one user.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  user-client get 01890a5d-ac96-774b-bcce-b302099a8057
  user-client get 01890a5d-ac96-774b-bcce-b302099a8057 --output json | jq .email")]
pub struct Get {
    /// The id: a UUID, as `create` and `list` show it.
    id: String,
}

// === impl Get ===

impl Get {
    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let request = session.request(GetUserRequest { id: self.id });
        let response = session
            .client
            .get_user(request)
            .await
            .map_err(|status| session.failed(METHOD, status))?;
        session.print_resource(METHOD, response.into_inner().user)
    }
}
