//! The connection to PostgreSQL, encrypted.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sqlx::{Connection as _, PgConnection};
use user_server::store::{Database, OpenError, Store as _};

use crate::postgres::{Identity, Server};
use crate::store::{config, new};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_verified_when_the_url_asks_for_it() {
    let (right, wrong) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let identity = Identity {
        certificate: CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &right)
            .unwrap()
            .pem(),
        key: key.serialize_pem(),
    };
    let start = move || Server::start_with_tls(&identity);
    let Some(postgres) = tokio::task::spawn_blocking(start).await.unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = |authority: &CertifiedIssuer<'static, KeyPair>, name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        format!(
            "postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
            postgres.port(),
            path.display()
        )
    };
    let verified = url(&right, "right.pem");
    let store = Database::open(&config(&verified)).await.unwrap();
    store.create(&new("ada@example.com"), None).await.unwrap();
    let mut connection = PgConnection::connect(&verified).await.unwrap();
    let (encrypted, all): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE application_name = 'user-server'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(all > 0 && encrypted == all, "{encrypted} of {all}");

    let error = Database::open(&config(&url(&wrong, "wrong.pem"))).await;
    assert!(matches!(error, Err(OpenError::Connect(_))), "{error:?}");
}
