//! The messages as serde structs, named and shaped as `ProtoJSON` has them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use user_api::v1::{GetUserResponse, ListUsersResponse, User};

/// A `GetUserResponse`.
#[derive(Deserialize, Serialize)]
pub(crate) struct GetDocument {
    user: Resource,
}

/// A `ListUsersResponse`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListDocument {
    users: Vec<Resource>,
    next_page_token: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    id: String,
    display_name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<Timestamp>,
    etag: String,
}

impl From<&GetUserResponse> for GetDocument {
    fn from(message: &GetUserResponse) -> Self {
        Self {
            user: message.user.as_ref().expect("the sample has one").into(),
        }
    }
}

impl From<GetDocument> for GetUserResponse {
    fn from(document: GetDocument) -> Self {
        Self {
            user: Some(document.user.into()),
        }
    }
}

impl From<&ListUsersResponse> for ListDocument {
    fn from(message: &ListUsersResponse) -> Self {
        Self {
            users: message.users.iter().map(Resource::from).collect(),
            next_page_token: message.next_page_token.clone(),
        }
    }
}

impl From<ListDocument> for ListUsersResponse {
    fn from(document: ListDocument) -> Self {
        Self {
            users: document.users.into_iter().map(User::from).collect(),
            next_page_token: document.next_page_token,
        }
    }
}

impl From<&User> for Resource {
    fn from(user: &User) -> Self {
        let time = |time: &prost_types::Timestamp| {
            Timestamp::new(time.seconds, time.nanos).expect("the sample's times exist")
        };
        Self {
            id: user.id.clone(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            age: user.age,
            create_time: user.create_time.as_ref().map(time),
            update_time: user.update_time.as_ref().map(time),
            etag: user.etag.clone(),
        }
    }
}

impl From<Resource> for User {
    fn from(resource: Resource) -> Self {
        let time = |time: Timestamp| prost_types::Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        };
        Self {
            id: resource.id,
            display_name: resource.display_name,
            email: resource.email,
            age: resource.age,
            create_time: resource.create_time.map(time),
            update_time: resource.update_time.map(time),
            etag: resource.etag,
        }
    }
}
