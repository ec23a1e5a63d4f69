//! The resource and a page of it, as text and as `ProtoJSON`.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use serde::Serialize;
use user_api::v1::{ListUsersResponse, User};

use super::{printable, row};

/// One resource in its `ProtoJSON` form: absent fields are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource<'a> {
    id: &'a str,
    display_name: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "str::is_empty")]
    etag: &'a str,
}

/// One page in its `ProtoJSON` form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'a> {
    users: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    next_page_token: &'a str,
}

// === impl Resource ===

impl<'a> From<&'a User> for Resource<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: &user.id,
            display_name: &user.display_name,
            email: &user.email,
            age: user.age,
            create_time: user.create_time.as_ref().and_then(timestamp),
            update_time: user.update_time.as_ref().and_then(timestamp),
            etag: &user.etag,
        }
    }
}

impl Resource<'_> {
    /// One line per field that is set.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let fields = [
            ("id", self.id.to_owned()),
            ("display_name", self.display_name.to_owned()),
            ("email", self.email.to_owned()),
            (
                "age",
                self.age.map(|age| age.to_string()).unwrap_or_default(),
            ),
            (
                "create_time",
                self.create_time
                    .map(|time| time.to_string())
                    .unwrap_or_default(),
            ),
            (
                "update_time",
                self.update_time
                    .map(|time| time.to_string())
                    .unwrap_or_default(),
            ),
            ("etag", self.etag.to_owned()),
        ];
        for (name, value) in fields {
            if !value.is_empty() {
                table.add_row([name, &printable(&value)]);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }

    /// The resource as one row of a stream, under its header.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn row(&self) -> String {
        row::row(self.cells().each_ref().map(String::as_str))
    }

    fn cells(&self) -> [String; 4] {
        let age = self.age.map(|age| age.to_string());
        [
            printable(self.id).into_owned(),
            age.unwrap_or_else(|| "-".to_owned()),
            printable(self.display_name).into_owned(),
            printable(self.email).into_owned(),
        ]
    }
}

// === impl Page ===

impl<'a> From<&'a ListUsersResponse> for Page<'a> {
    fn from(page: &'a ListUsersResponse) -> Self {
        Self {
            users: page.users.iter().map(Resource::from).collect(),
            next_page_token: &page.next_page_token,
        }
    }
}

impl Page<'_> {
    /// One row per resource, under a header.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        rows(&self.users, true)
    }

    /// The same without the header: a page that goes on where another one ended.
    #[must_use]
    pub fn further_text(&self) -> String {
        rows(&self.users, false)
    }
}

/// One row per resource.
///
/// Ends without a line break.
pub(super) fn rows(resources: &[Resource<'_>], with_header: bool) -> String {
    let cells: Vec<_> = resources.iter().map(Resource::cells).collect();
    row::page(&cells, with_header)
}

/// `None` when the time is outside of what a calendar can show.
fn timestamp(time: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}
