//! The page of examples/web in a real browser.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::browsers::for_browsers;
use crate::running::{Running, creation, soon};

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
