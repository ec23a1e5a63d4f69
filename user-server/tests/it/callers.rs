//! Every kind of caller against every kind of method, by TLS and over real sockets, through the channel
//! that clients use.

pub(crate) mod world;

use std::error::Error as _;
use std::time::Duration;

use grpc_channel::credentials::{BasicCredentials, BearerTokenFile};
use grpc_channel::{Channel, Disconnect};
use service_runtime::auth::{Kind, refusal};
use service_runtime::tls::server::Mode;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

use self::world::{ADMIN, READER, World, claims};
use crate::access::reason;
use crate::running::{Running, creation, settings, soon};

/// What a caller is told by a method of each kind.
#[derive(Debug)]
struct Told {
    unary_read: Result<(), Status>,
    unary_write: Result<(), Status>,
    stream_read: Result<(), Status>,
    stream_write: Result<(), Status>,
}

const EVERYTHING: [Code; 4] = [Code::Ok; 4];

const READING_ONLY: [Code; 4] = [
    Code::Ok,
    Code::PermissionDenied,
    Code::Ok,
    Code::PermissionDenied,
];

async fn told(channel: &Channel) -> Told {
    let mut client = UserServiceClient::new(channel.clone());
    let email = format!("{}@example.com", uuid::Uuid::now_v7());
    let rows = tokio_stream::iter(Vec::<v1::ImportUsersRequest>::new());
    soon("every answer", async {
        Told {
            unary_read: client
                .list_users(v1::ListUsersRequest::default())
                .await
                .map(drop),
            unary_write: client.create_user(creation("Ada", &email)).await.map(drop),
            stream_read: client
                .watch_users(v1::WatchUsersRequest::default())
                .await
                .map(drop),
            stream_write: client.import_users(rows).await.map(drop),
        }
    })
    .await
}

// === impl Told ===

impl Told {
    fn all(&self) -> [&Result<(), Status>; 4] {
        [
            &self.unary_read,
            &self.unary_write,
            &self.stream_read,
            &self.stream_write,
        ]
    }

    fn codes(&self) -> [Code; 4] {
        self.all()
            .map(|it| it.as_ref().map_or_else(Status::code, |()| Code::Ok))
    }

    fn refusals(&self) -> impl Iterator<Item = &Status> {
        self.all().into_iter().filter_map(|it| it.as_ref().err())
    }

    fn names_the_permission(&self) {
        for status in self.refusals() {
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, refusal::reason::PERMISSION_MISSING);
            let permission = &info.metadata["permission"];
            assert!(status.message().contains(permission.as_str()), "{status}");
        }
    }

    /// Code, message and details of the refusals, which must all be the same.
    fn one_refusal(&self) -> (Code, String, Vec<u8>) {
        let mut all: Vec<_> = self
            .refusals()
            .map(|it| (it.code(), it.message().to_owned(), it.details().to_vec()))
            .collect();
        assert_eq!(all.len(), 4, "{self:?}");
        all.dedup();
        assert_eq!(all.len(), 1, "every method must say the same: {self:?}");
        all.remove(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_may_do_by_tls_what_the_policy_says() {
    let world = World::new();
    let server = Running::start(world.settings(Mode::Tls, &[Kind::Basic])).await;
    let by = |name, password| {
        let basic = BasicCredentials::new(name, password).unwrap();
        world.channel(&server, None, |it| it.credentials(basic))
    };
    assert_eq!(told(&by("writer", "w-secret")).await.codes(), EVERYTHING);
    let reader = told(&by("reader", "r-secret")).await;
    assert_eq!(reader.codes(), READING_ONLY);
    reader.names_the_permission();

    let wrong_password = told(&by("reader", "w-secret")).await.one_refusal();
    let wrong_name = told(&by("stranger", "r-secret")).await.one_refusal();
    assert_eq!(wrong_password.0, Code::Unauthenticated);
    assert_eq!(
        wrong_password, wrong_name,
        "it must not tell which is wrong"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_a_file_may_do_what_its_claims_permit_and_is_read_again() {
    let world = World::new();
    let server = Running::start(world.settings(Mode::Tls, &[Kind::Jwt])).await;
    let file = world.path("token");
    world.put("token", &world.token(&claims("users:read")));
    let bearer = BearerTokenFile::new(&file).interval(Duration::from_millis(1));
    let channel = world.channel(&server, None, |it| it.credentials(bearer));
    let reader = told(&channel).await;
    assert_eq!(reader.codes(), READING_ONLY);
    reader.names_the_permission();

    world.put("token", &world.token(&claims("users:admin users:read")));
    soon("the use of the new token", async {
        while told(&channel).await.codes() != EVERYTHING {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;

    // Whatever is wrong with a token, its caller is told the same.
    let mut refusals = Vec::new();
    for token in world.bad_tokens() {
        world.put("token", &token);
        let bearer = BearerTokenFile::new(&file);
        let channel = world.channel(&server, None, |it| it.credentials(bearer));
        let refusal = told(&channel).await.one_refusal();
        assert_eq!(refusal.0, Code::Unauthenticated);
        refusals.push(refusal);
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_may_do_what_its_names_permit() {
    let world = World::new();
    let server = Running::start(world.settings(Mode::Mtls, &[Kind::Mtls])).await;
    let by = |names: &[&str]| {
        let identity = world.identity(names);
        world.channel(&server, Some(&identity), |it| it)
    };
    assert_eq!(told(&by(&[ADMIN])).await.codes(), EVERYTHING);
    let reader = told(&by(&[READER])).await;
    assert_eq!(reader.codes(), READING_ONLY);
    reader.names_the_permission();
    for stranger in [
        "stranger.test",
        "spiffe://cluster.test/ns/shop/sa/admin/more",
        "spiffe://cluster.other/ns/shop/sa/admin",
    ] {
        let stranger = told(&by(&[stranger])).await;
        assert_eq!(stranger.codes(), [Code::PermissionDenied; 4]);
        stranger.names_the_permission();
    }
    // Two URIs are no SPIFFE ID (X.509-SVID, section 2).
    let both = told(&by(&[ADMIN, "spiffe://cluster.test/ns/shop/sa/other"])).await;
    assert_eq!(both.codes(), [Code::Unauthenticated; 4]);

    let nobody = world.channel(&server, None, |it| it.wait_for_ready(false));
    // The messages tell of the next attempt, so that they differ.
    for status in told(&nobody).await.refusals() {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(
            status.message().contains("certificate_required"),
            "{status}"
        );
        let cause = status.source().and_then(|it| it.downcast_ref());
        let of_tls = matches!(cause, Some(Disconnect::Tls { .. }));
        assert!(of_tls, "the cause is kept as a type: {cause:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_no_method_says_more_than_that() {
    let world = World::new();
    let every_kind = [Kind::Jwt, Kind::Basic];
    let server = Running::start(world.settings(Mode::Tls, &every_kind)).await;
    let nobody = told(&world.channel(&server, None, |it| it)).await;
    for status in nobody.refusals() {
        assert_eq!(reason(status), refusal::reason::CREDENTIALS_MISSING);
        assert!(status.metadata().get("www-authenticate").is_none());
    }
    let (code, message, _) = nobody.one_refusal();
    assert_eq!(code, Code::Unauthenticated);
    assert_eq!(message, "this method needs credentials");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_leave_the_client_by_plaintext_unless_it_is_told_so() {
    let world = World::new();
    let mut plaintext = settings("sqlite::memory:");
    plaintext.auth = world.settings(Mode::Tls, &[Kind::Basic]).auth;
    let server = Running::start(plaintext).await;
    let basic = || BasicCredentials::new("writer", "w-secret").unwrap();
    let builder = || Channel::builder(format!("ipv4:{}", server.grpc)).credentials(basic());

    let careful = told(&builder().connect().unwrap()).await;
    let (code, message, _) = careful.one_refusal();
    assert_eq!(code, Code::Unauthenticated);
    // It is the client that says so: the server would have let it in.
    assert!(
        message.contains("not sent over a plaintext connection"),
        "{message}"
    );

    let told_so = builder().allow_credentials_over_plaintext_insecurely();
    let codes = told(&told_so.connect().unwrap()).await.codes();
    assert_eq!(codes, EVERYTHING);
    server.stop().await;
}
