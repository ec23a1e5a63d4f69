//! `update`: new values for some fields of one resource.

use clap::{ArgGroup, Args};
use prost_types::FieldMask;
use user_api::v1::{UpdateUserRequest, User};

use super::Session;
use crate::error::Error;

const METHOD: &str = "UpdateUser";

/// Change fields of one user, and show it as it is now.
///
/// Only the fields that a flag names are changed: the update mask is made of the flags.
#[derive(Args, Clone, Debug, Default)]
#[command(
    group = ArgGroup::new("changes")
        .args(["display_name", "email", "age", "clear_age"])
        .required(true)
        .multiple(true),
    // What clap makes of the group is wider than a terminal.
    override_usage = "user-client update [OPTIONS] <ID> <--display-name|--email|--age|--clear-age>...",
    after_help = "\
With --etag the call fails with ABORTED (exit code 75) when somebody else was faster: read again, \
decide again.

Examples:
  user-client update 01890a5d-ac96-774b-bcce-b302099a8057 --email ada@example.org
  user-client update 01890a5d-ac96-774b-bcce-b302099a8057 --clear-age
  etag=$(user-client get \"$ID\" --output json | jq -r .etag)
  user-client update \"$ID\" --age 37 --etag \"$etag\""
)]
pub struct Update {
    /// The id: a UUID, as `create` and `list` show it.
    id: String,
    /// The new display name: 1 to 100 characters.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// The new e-mail address, which no other entry has.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The new age in years, 0 to 150.
    #[arg(long, value_name = "YEARS", allow_negative_numbers = true)]
    age: Option<i32>,
    /// Forget the age.
    #[arg(long, conflicts_with = "age")]
    clear_age: bool,
    /// Change it only when this is its current etag, as `get` shows it.
    #[arg(long)]
    etag: Option<String>,
}

// === impl Update ===

impl Update {
    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let request = session.request(UpdateUserRequest::from(self));
        let response = session
            .client
            .update_user(request)
            .await
            .map_err(|status| session.failed(METHOD, status))?;
        session.print_resource(METHOD, response.into_inner().user)
    }

    /// The fields that the flags name; a field that is named and has no value is cleared.
    fn mask(&self) -> FieldMask {
        let named = [
            ("display_name", self.display_name.is_some()),
            ("email", self.email.is_some()),
            ("age", self.age.is_some() || self.clear_age),
        ];
        FieldMask {
            paths: named
                .into_iter()
                .filter(|(_, is_named)| *is_named)
                .map(|(path, _)| path.to_owned())
                .collect(),
        }
    }
}

impl From<Update> for UpdateUserRequest {
    fn from(update: Update) -> Self {
        let update_mask = Some(update.mask());
        Self {
            user: Some(User {
                id: update.id,
                display_name: update.display_name.unwrap_or_default(),
                email: update.email.unwrap_or_default(),
                age: update.age,
                etag: update.etag.unwrap_or_default(),
                ..User::default()
            }),
            update_mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(update: Update) -> Vec<String> {
        let request = UpdateUserRequest::from(update);
        request.update_mask.expect("there is always a mask").paths
    }

    #[test]
    fn the_mask_names_the_flags_that_were_given_and_no_other() {
        let email = Update {
            email: Some("ada@example.org".to_owned()),
            ..Update::default()
        };
        assert_eq!(paths(email), ["email"]);
        let all = Update {
            display_name: Some("Ada".to_owned()),
            email: Some(String::new()),
            age: Some(0),
            ..Update::default()
        };
        assert_eq!(
            paths(all),
            ["display_name", "email", "age"],
            "an empty value is a value, which the server may refuse"
        );
    }

    #[test]
    fn a_cleared_field_is_named_and_has_no_value() {
        let request = UpdateUserRequest::from(Update {
            clear_age: true,
            ..Update::default()
        });
        assert_eq!(request.update_mask.unwrap().paths, ["age"]);
        assert_eq!(request.user.unwrap().age, None);
    }
}
