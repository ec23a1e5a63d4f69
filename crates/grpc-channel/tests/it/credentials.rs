//! Credentials: added to every attempt, and never to where others could read them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use grpc_channel::Channel;
use grpc_channel::credentials::{
    BasicCredentials, BearerTokenFile, CallCredentials, CredentialsError, from_fn,
};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use crate::bounded;
use crate::echo::{Client, Method, message};
use crate::replica::{Replica, replicas, to};

/// A folder of its own, which is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A channel that sends credentials over its plaintext connections.
fn insecure(replica: &Replica, credentials: impl CallCredentials) -> Channel {
    to([replica])
        .credentials(credentials)
        .allow_credentials_over_plaintext_insecurely()
        .connect()
        .expect("the settings are valid")
}

/// The `authorization` of each attempt.
fn authorizations(replica: &Replica) -> Vec<String> {
    let seen = replica.seen();
    let values = seen.iter().map(|seen| seen.header("authorization"));
    values
        .map(|value| value.unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_not_sent_over_plaintext() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let credentials = BasicCredentials::new("caller", "secret").unwrap();
        let channel = to([&replica]).credentials(credentials).connect().unwrap();
        let status = Client::new(&channel).call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert!(status.message().contains("plaintext"), "{status:?}");
        assert_eq!(replica.started(), 0, "nothing is sent at all");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_can_allow_it_and_its_own_value_is_replaced() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let credentials = BasicCredentials::new("Aladdin", "open sesame").unwrap();
        let channel = insecure(&replica, credentials);
        let mut request = Request::new(message("hello"));
        let own = "Bearer of-the-caller".parse().unwrap();
        request.metadata_mut().insert("authorization", own);
        Client::new(&channel)
            .unary(Method::Read, request)
            .await
            .unwrap();
        assert_eq!(
            authorizations(&replica),
            ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
        );
        let seen = replica.seen();
        assert_eq!(seen[0].headers.get_all("authorization").iter().count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_has_credentials_of_its_own_which_know_the_call() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let made = Arc::new(AtomicU32::new(0));
        let credentials = from_fn(move |call| {
            let number = made.fetch_add(1, Ordering::SeqCst);
            async move {
                let value = format!("{number} {} {}", call.service(), call.path());
                let mut metadata = MetadataMap::new();
                metadata.insert("authorization", value.parse().unwrap());
                Ok(metadata)
            }
        });
        let channel = insecure(&replica, credentials);
        replica.refuse(1, Code::Unavailable);
        Client::new(&channel).call(Method::Read).await.unwrap();
        let expected = [0, 1].map(|n| format!("{n} echo.v1.EchoService /echo.v1.EchoService/Read"));
        assert_eq!(authorizations(&replica), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_an_attempt_ends_and_a_passing_lack_is_retried() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = insecure(
            &replica,
            from_fn(async |_| Err(CredentialsError::permanent("nobody has logged in"))),
        );
        let status = Client::new(&channel).call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(
            status.message(),
            "there are no credentials for the call: nobody has logged in"
        );

        let asked = AtomicU32::new(0);
        let credentials = from_fn(move |_| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    return Err(CredentialsError::temporary("the token server is busy"));
                }
                Ok(MetadataMap::new())
            }
        });
        let client = Client::new(&insecure(&replica, credentials));
        client
            .call(Method::Read)
            .await
            .expect("the second attempt has credentials");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_is_read_again_when_it_has_changed() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let folder = Folder::new("token-file");
        // As Kubernetes does it: the name is a link into a folder that is replaced as a whole.
        let token = folder.0.join("token");
        let publish = |version: &str| {
            let file = folder.0.join(version);
            fs::write(&file, format!("{version}\n")).unwrap();
            let link = folder.0.join("new-link");
            std::os::unix::fs::symlink(&file, &link).unwrap();
            fs::rename(&link, &token).unwrap();
        };
        let credentials = BearerTokenFile::new(&token).interval(Duration::ZERO);
        let client = Client::new(&insecure(&replica, credentials));

        let status = client.call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("No such file"), "{status:?}");

        publish("first");
        client.call(Method::Add).await.unwrap();
        publish("second");
        client.call(Method::Add).await.unwrap();
        fs::remove_file(&token).unwrap();
        client
            .call(Method::Add)
            .await
            .expect("the last token is used");
        assert_eq!(
            authorizations(&replica),
            ["Bearer first", "Bearer second", "Bearer second"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_is_not_read_for_every_call() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let folder = Folder::new("token-interval");
        let token = folder.0.join("token");
        fs::write(&token, "first").unwrap();
        let credentials = BearerTokenFile::new(&token).interval(Duration::from_mins(5));
        let client = Client::new(&insecure(&replica, credentials));
        client.call(Method::Add).await.unwrap();
        fs::write(&token, "second").unwrap();
        client.call(Method::Add).await.unwrap();
        assert_eq!(authorizations(&replica), ["Bearer first", "Bearer first"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let builder = Channel::builder("ipv4:127.0.0.1:1")
        .credentials(BasicCredentials::new("caller", "planted-secret").unwrap());
    let shown = format!("{builder:?}");
    assert!(
        !shown.contains("planted") && !shown.contains("Basic "),
        "{shown}"
    );
}
