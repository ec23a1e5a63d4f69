//! `batch-get`: several resources by their ids, in one call.

use std::process::ExitCode;

use clap::Args;
use tonic::Code;
use user_api::v1::BatchGetUsersRequest;

use super::Session;
use crate::error::{Error, of_code};
use crate::output::{Batch, Format, printable};

const METHOD: &str = "BatchGetUsers";

/// Show several users, in the order in which their ids are given.
///
/// An id that is not found keeps none of the others from being shown; the exit code is then 66.
#[derive(Args, Debug)]
#[command(
    after_help = "With --output json the result is one line, the BatchGetUsersResponse as ProtoJSON.

Examples:
  user-client batch-get 01890a5d-ac96-774b-bcce-b302099a8057 01890a5d-ac97-7dd1-a1c6-7a5ff3f2bd31
  user-client batch-get $(cat ids.txt) --output json | jq -r '.missingIds[]?'"
)]
pub struct BatchGet {
    /// The ids, 1 to 1,000 of them.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

// === impl BatchGet ===

impl BatchGet {
    pub(super) async fn run(self, session: &mut Session) -> Result<ExitCode, Error> {
        let request = session.request(BatchGetUsersRequest { ids: self.ids });
        let batch = session
            .client
            .batch_get_users(request)
            .await
            .map_err(|status| session.failed(METHOD, status))?
            .into_inner();
        session.print(&Batch::from(&batch), Batch::text)?;
        if batch.missing_ids.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        if session.format == Format::Text {
            for id in &batch.missing_ids {
                anstream::eprintln!("not found: {}", printable(id));
            }
        }
        Ok(ExitCode::from(of_code(Code::NotFound)))
    }
}
