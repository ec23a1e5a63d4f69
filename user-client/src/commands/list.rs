//! `list`: the resources, page by page.

use clap::Args;
use user_api::v1::ListUsersRequest;

use super::Session;
use crate::error::Error;
use crate::output::{Format, Page};

const METHOD: &str = "ListUsers";

/// List users, oldest first.
#[derive(Args, Debug)]
#[command(
    after_help = "With --output json every page is one line, the ListUsersResponse as ProtoJSON.

Examples:
  user-client list --page-size 20
  user-client list --prefix Ada
  user-client list --all --output json | jq -r '.users[].email'"
)]
pub struct List {
    /// How many to show per page; the server has a default and a maximum.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    page_size: i32,
    /// Where to go on: the token that the page before ended with.
    #[arg(long, value_name = "TOKEN", conflicts_with = "all")]
    page_token: Option<String>,
    /// Show every page, not only one.
    #[arg(long)]
    all: bool,
    /// Only those whose display name begins with this, upper and lower case told apart.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
}

// === impl List ===

impl List {
    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let mut page_token = self.page_token.unwrap_or_default();
        let mut is_first = true;
        loop {
            let request = session.request(ListUsersRequest {
                page_size: self.page_size,
                page_token: page_token.clone(),
                display_name_prefix: self.prefix.clone().unwrap_or_default(),
            });
            let page = session
                .client
                .list_users(request)
                .await
                .map_err(|status| session.failed(METHOD, status))?
                .into_inner();
            match &page.users[..] {
                // Between a header and what follows, an empty page is an empty line.
                [] if !is_first && session.format == Format::Text => {}
                _ if is_first => session.print(&Page::from(&page), Page::text)?,
                _ => session.print(&Page::from(&page), Page::further_text)?,
            }
            is_first = false;
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            if !self.all {
                if session.format == Format::Text {
                    anstream::eprintln!(
                        "\nThere are more: --page-token {}",
                        crate::output::printable(&page.next_page_token)
                    );
                }
                return Ok(());
            }
            if page.next_page_token == page_token {
                // A token that leads back to itself would never end.
                return Err(Error::Response {
                    method: METHOD,
                    field: "next_page_token that goes on",
                });
            }
            page_token = page.next_page_token;
        }
    }
}
