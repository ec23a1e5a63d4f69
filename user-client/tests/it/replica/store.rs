//! The data of one or more replicas: the entries, and the log of their changes.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use user_api::v1::{ChangeType, User, UserChange};

const CREATED: prost_types::Timestamp = prost_types::Timestamp {
    seconds: 1_700_000_000,
    nanos: 0,
};

#[derive(Debug)]
pub(crate) struct Store {
    contents: Mutex<Contents>,
    /// How many changes there have been.
    pub(super) changes: tokio::sync::watch::Sender<usize>,
    /// How many rows have arrived of imports.
    pub(crate) rows_received: AtomicU64,
    /// The `grpc-encoding` of the last call.
    pub(crate) encoding: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Contents {
    users: Vec<User>,
    created: usize,
    log: Vec<UserChange>,
    /// Changes before this one are not kept any more.
    oldest: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            contents: Mutex::default(),
            changes: tokio::sync::watch::Sender::new(0),
            rows_received: AtomicU64::default(),
            encoding: Mutex::default(),
        }
    }
}

impl Store {
    pub(crate) fn users(&self) -> Vec<User> {
        self.contents.lock().unwrap().users.clone()
    }

    pub(crate) fn get(&self, id: &str) -> Result<User, Status> {
        let contents = self.contents.lock().unwrap();
        let found = contents.users.iter().find(|it| it.id == id);
        found.cloned().ok_or_else(|| not_found(id))
    }

    pub(crate) fn create(&self, mut user: User) -> Result<User, Status> {
        validate(&user)?;
        let mut contents = self.contents.lock().unwrap();
        if contents.users.iter().any(|it| it.email == user.email) {
            let mut details = ErrorDetails::new();
            details.set_error_info("EMAIL_TAKEN", "example.com", []);
            return Err(Status::with_error_details(
                Code::AlreadyExists,
                "the e-mail address is taken",
                details,
            ));
        }
        user.id = format!("id-{}", contents.created);
        user.create_time = Some(CREATED);
        user.update_time = None;
        "e0".clone_into(&mut user.etag);
        contents.created += 1;
        contents.users.push(user.clone());
        self.log(&mut contents, ChangeType::Added, &user);
        Ok(user)
    }

    /// Creates an entry of this name; for tests that need some data.
    pub(crate) fn add(&self, name: &str) -> User {
        self.create(User {
            display_name: name.to_owned(),
            email: format!("{name}@example.com"),
            ..User::default()
        })
        .unwrap()
    }

    pub(crate) fn update(&self, new: &User, mask: &[String]) -> Result<User, Status> {
        let mut contents = self.contents.lock().unwrap();
        let user = contents
            .users
            .iter_mut()
            .find(|it| it.id == new.id)
            .ok_or_else(|| not_found(&new.id))?;
        if !new.etag.is_empty() && new.etag != user.etag {
            return Err(Status::aborted("the etag is not the current one"));
        }
        let mut changed = user.clone();
        for path in mask {
            match path.as_str() {
                "display_name" => changed.display_name.clone_from(&new.display_name),
                "email" => changed.email.clone_from(&new.email),
                "age" => changed.age = new.age,
                other => return Err(Status::invalid_argument(format!("no field {other}"))),
            }
        }
        validate(&changed)?;
        changed.etag = format!("{}+", changed.etag);
        changed.update_time = Some(CREATED);
        *user = changed.clone();
        self.log(&mut contents, ChangeType::Updated, &changed);
        Ok(changed)
    }

    pub(crate) fn delete(&self, id: &str, etag: &str) -> Result<(), Status> {
        let mut contents = self.contents.lock().unwrap();
        let place = contents
            .users
            .iter()
            .position(|it| it.id == id)
            .ok_or_else(|| not_found(id))?;
        if !etag.is_empty() && etag != contents.users[place].etag {
            return Err(Status::aborted("the etag is not the current one"));
        }
        let user = contents.users.remove(place);
        self.log(&mut contents, ChangeType::Deleted, &user);
        Ok(())
    }

    /// The entries, and how many changes have led to them.
    pub(super) fn snapshot(&self) -> (Vec<User>, usize) {
        let contents = self.contents.lock().unwrap();
        (contents.users.clone(), contents.log.len())
    }

    /// The changes after the first `seen` ones; `None` when they are not kept any more.
    pub(super) fn changes_after(&self, seen: usize) -> Option<Vec<UserChange>> {
        let contents = self.contents.lock().unwrap();
        (seen >= contents.oldest && seen <= contents.log.len())
            .then(|| contents.log[seen..].to_vec())
    }

    /// Keeps no change that has happened until now.
    pub(crate) fn forget_changes(&self) {
        let mut contents = self.contents.lock().unwrap();
        contents.oldest = contents.log.len();
    }

    fn log(&self, contents: &mut Contents, kind: ChangeType, user: &User) {
        contents.log.push(UserChange {
            r#type: kind.into(),
            user: Some(user.clone()),
        });
        self.changes.send_replace(contents.log.len());
    }
}

fn not_found(id: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_resource_info("user.v1.User", id, "", "there is none");
    Status::with_error_details(Code::NotFound, "no such id", details)
}

fn validate(user: &User) -> Result<(), Status> {
    let mut details = ErrorDetails::new();
    if user.display_name.is_empty() {
        details.add_bad_request_violation("user.display_name", "must not be empty");
    }
    if !user.email.contains('@') {
        details.add_bad_request_violation("user.email", "must be an address");
    }
    if !details.has_bad_request_violations() {
        return Ok(());
    }
    details.set_error_info(
        "INVALID",
        "example.com",
        [("field".to_owned(), "user".to_owned())],
    );
    details.set_retry_info(Some(Duration::from_secs(2)));
    Err(Status::with_error_details(
        Code::InvalidArgument,
        "the request is not valid",
        details,
    ))
}
