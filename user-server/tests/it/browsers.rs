//! gRPC-Web and CORS: the page of examples/web in a real browser, and what a stranger's page gets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use user_api::v1::user_service_client::UserServiceClient;
use user_server::compression::Compression;
use user_server::settings::Settings;

use crate::running::{self, Running, creation, settings, soon};

/// A page of the test's own round the example: it tells the test what the example shows.
const FRAME: &str = r#"<!doctype html><iframe id="page" style="width:100%;height:40em"></iframe>
<script>
  const page = document.getElementById("page");
  page.src = "/index.html" + location.search;
  page.onload = () => {
    const tell = () => fetch("/shows", { method: "POST", body: page.contentDocument.body.innerText });
    new MutationObserver(tell).observe(page.contentDocument.body, { childList: true, subtree: true });
    tell();
  };
</script>"#;

/// Serves the example's files, as any web server would.
struct Site {
    address: SocketAddr,
    shows: watch::Receiver<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web")
}

impl Site {
    async fn start() -> Self {
        let (sender, shows) = watch::channel(String::new());
        let file = |name: &'static str, kind: &'static str| {
            get(move || async move {
                let text = std::fs::read_to_string(folder().join(name)).unwrap();
                ([(CONTENT_TYPE, kind)], text).into_response()
            })
        };
        let tell = async |State(shows): State<watch::Sender<String>>, text: String| {
            shows.send_replace(text);
        };
        let routes = Router::new()
            .route("/", get(async || Html(FRAME)))
            .route("/index.html", file("index.html", "text/html"))
            .route("/page.js", file("page.js", "text/javascript"))
            .route("/grpc-web.js", file("grpc-web.js", "text/javascript"))
            .route("/messages.js", file("messages.js", "text/javascript"))
            .route("/shows", post(tell))
            .with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, shows }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the page shows this.
    async fn shows(&mut self, what: &str) {
        let shown = self.shows.wait_for(|text| text.contains(what));
        soon(&format!("the page shows {what:?}"), shown)
            .await
            .unwrap();
    }
}

/// A browser with one page, which ends with this.
struct Browser {
    _process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`, and a word about it, where there is none.
    fn open(url: &str) -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&paths)
            .flat_map(|path| names.map(|name| path.join(name)))
            .find(|path| path.is_file());
        let Some(program) = found else {
            eprintln!("SKIPPED the page in a browser: there is no Chromium on the PATH");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the browser starts");
        Some(Self {
            _process: process,
            _profile: profile,
        })
    }
}

fn for_browsers(origins: &[String]) -> Settings {
    let mut settings = settings("sqlite::memory:");
    settings.web.enabled = true;
    settings.web.address = ([127, 0, 0, 1], 0).into();
    settings.web.allowed_origins = origins.to_vec();
    settings
}

/// The head of what a server answers to one HTTP/1.1 request, in lower case.
async fn head(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    soon("an answer", read).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let head = answer.split("\r\n\r\n").next();
    head.unwrap_or_default().to_owned()
}

fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /user.v1.UserService/ListUsers HTTP/1.1\r\nhost: users\r\norigin: {origin}\r\n\
         access-control-request-method: POST\r\n\
         access-control-request-headers: content-type,x-grpc-web\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browsers_page_lists_what_is_there_and_watches_what_changes() {
    let mut site = Site::start().await;
    let server = Running::start(for_browsers(&[site.origin()])).await;
    let mut client = server.client().await;
    client
        .create_user(creation("Ada", "ada@example.com"))
        .await
        .unwrap();

    let web = server.web.expect("browsers are served");
    let url = format!("{}/?server=http://{web}", site.origin());
    if let Some(browser) = Browser::open(&url) {
        site.shows("Ada").await;
        site.shows("watching").await;
        let created = client
            .create_user(creation("Grace", "grace@example.com"))
            .await;
        site.shows("grace@example.com").await;
        let id = created.unwrap().into_inner().user.unwrap().id;
        let deletion = user_api::v1::DeleteUserRequest {
            id,
            ..Default::default()
        };
        client.delete_user(deletion).await.unwrap();
        let gone = site.shows.wait_for(|text| !text.contains("Grace"));
        soon("the page forgets who was deleted", gone)
            .await
            .unwrap();
        drop(browser);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_sites_that_are_named_may_call_from_a_browser() {
    let ours = "https://app.example.com".to_owned();
    let server = Running::start(for_browsers(std::slice::from_ref(&ours))).await;
    let web = server.web.expect("browsers are served");

    let allowed = head(web, &preflight(&ours)).await;
    assert!(allowed.starts_with("http/1.1 200"), "{allowed}");
    assert!(allowed.contains("access-control-allow-origin: https://app.example.com"));
    let stranger = head(web, &preflight("https://evil.example.com")).await;
    assert!(
        !stranger.contains("access-control-allow-origin"),
        "{stranger}"
    );

    let call = format!(
        "POST /user.v1.UserService/ListUsers HTTP/1.1\r\nhost: users\r\norigin: {ours}\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\
         \0\0\0\0\0"
    );
    let answered = head(web, &call).await;
    assert!(answered.starts_with("http/1.1 200"), "{answered}");
    assert!(answered.contains("content-type: application/grpc-web+proto"));
    assert!(answered.contains("x-served-by: replica-1"), "{answered}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_compressed_where_both_sides_want_it() {
    let mut settings = settings("sqlite::memory:");
    settings.compression = Compression::Any;
    let server = Running::start(settings).await;
    let channel = running::channel(server.grpc).await;
    for (encoding, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let mut client = UserServiceClient::new(channel.clone())
            .send_compressed(encoding)
            .accept_compressed(encoding);
        let answer = client
            .create_user(creation("Ada", &format!("{name}@example.com")))
            .await
            .unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
    }
    let mut plain = UserServiceClient::new(channel);
    let answer = plain
        .list_users(user_api::v1::ListUsersRequest::default())
        .await;
    assert!(answer.unwrap().metadata().get("grpc-encoding").is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_compression_says_so() {
    let server = Running::start(settings("sqlite::memory:")).await;
    let channel = running::channel(server.grpc).await;
    let mut client = UserServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
    let status = client.create_user(creation("Ada", "ada@example.com")).await;
    assert_eq!(status.unwrap_err().code(), tonic::Code::Unimplemented);
    server.stop().await;
}
