//! `create`: a new resource.

use clap::Args;
use user_api::v1::{CreateUserRequest, User};

use super::Session;
use crate::error::Error;

const METHOD: &str = "CreateUser";

/// Create one user, and show it as it was stored.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  user-client create --display-name 'Ada Lovelace' --email ada@example.com --age 36
  user-client create --display-name Bob --email bob@example.com \\
      --request-id \"$(uuidgen)\" --output json | jq -r .id")]
pub struct Create {
    /// What people call it: 1 to 100 characters.
    #[arg(long, value_name = "NAME")]
    display_name: String,
    /// An e-mail address that no other entry has.
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Age in years, 0 to 150.
    #[arg(long, value_name = "YEARS", allow_negative_numbers = true)]
    age: Option<i32>,
    /// Makes the call repeatable: with the same UUID it returns the first result again.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
}

// === impl Create ===

impl Create {
    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let request = session.request(CreateUserRequest {
            user: Some(User {
                display_name: self.display_name,
                email: self.email,
                age: self.age,
                ..User::default()
            }),
            request_id: self.request_id.unwrap_or_default(),
        });
        let response = session
            .client
            .create_user(request)
            .await
            .map_err(|status| session.failed(METHOD, status))?;
        session.print_resource(METHOD, response.into_inner().user)
    }
}
