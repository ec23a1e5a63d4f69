//! Real PostgreSQL servers, started from this machine's binaries and ended with this process, however it
//! ends.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::running::soon;

/// PostgreSQL refuses to run as root; this account exists everywhere.
const NOBODY: u32 = 65534;

/// The shell keeps the server and waits on a pipe whose other end this process holds: when it is gone,
/// for whatever reason, the server is stopped and everything that it wrote is removed.
const GUARD: &str = r#"
trap '' INT TERM
binaries=$1
folder=$2
shift 2
"$binaries/postgres" -D "$folder/data" -k "$folder" -c max_connections=500 -c shared_buffers=64MB "$@" \
    </dev/null >>"$folder/log" 2>&1 &
echo $!
cat >/dev/null
kill -INT $! 2>/dev/null
wait
rm -rf "$folder"
"#;

/// One server.
pub(crate) struct Server {
    folder: PathBuf,
    postgres: u32,
    guard: Option<Child>,
    binaries: PathBuf,
    arguments: Vec<String>,
    port: u16,
}

/// What a server that speaks TLS shows, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

static SHARED: OnceLock<Option<Server>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a new, empty database on the server that the tests share; nothing, and a word about it,
/// where PostgreSQL is not installed.
pub(crate) async fn database() -> Option<String> {
    let server = tokio::task::spawn_blocking(|| SHARED.get_or_init(|| Server::start(false)))
        .await
        .unwrap()
        .as_ref()?;
    Some(server.create_database().await)
}

fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let debian = debian.flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// As root, runs as nobody.
fn unprivileged(command: &mut Command, is_root: bool) -> &mut Command {
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    // A Ctrl-C reaches this process, and the guard through it.
    command.process_group(0).current_dir("/")
}

// === impl Server ===

impl Server {
    /// On a Unix socket.
    pub(crate) fn start(fsync: bool) -> Option<Self> {
        let fsync = format!("fsync={}", if fsync { "on" } else { "off" });
        let arguments = ["-c", &fsync, "-c", "listen_addresses="].map(str::to_owned);
        Self::start_with(arguments.into(), 5432, None)
    }

    /// On a port of 127.0.0.1, with TLS for whoever asks for it.
    pub(crate) fn start_with_tls(identity: &Identity) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let options = ["-c", "fsync=off", "-c", "ssl=on", "-p", &port.to_string()];
        let mut arguments = options.map(str::to_owned).to_vec();
        arguments.extend(["-c", "listen_addresses=127.0.0.1"].map(str::to_owned));
        Self::start_with(arguments, port, Some(identity))
    }

    fn start_with(arguments: Vec<String>, port: u16, identity: Option<&Identity>) -> Option<Self> {
        let Some(binaries) = binaries() else {
            // Past the test harness, which shows nothing of a test that passes.
            let why = "there are no PostgreSQL binaries (initdb, postgres) on this machine";
            writeln!(std::io::stderr(), "SKIPPED tests on PostgreSQL: {why}")
                .expect("standard error is open");
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        if is_root {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = Command::new(binaries.join("initdb"));
        initdb
            .args(["--no-sync", "--auth=trust", "--username=postgres"])
            .args(["--encoding=UTF8", "--no-locale", "--pgdata"])
            .arg(folder.join("data"));
        let output = unprivileged(&mut initdb, is_root).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut server = Self {
            folder,
            postgres: 0,
            guard: None,
            binaries,
            arguments,
            port,
        };
        if let Some(identity) = identity {
            for (name, pem) in [
                ("server.crt", &identity.certificate),
                ("server.key", &identity.key),
            ] {
                let path = server.folder.join("data").join(name);
                std::fs::write(&path, pem).unwrap();
                std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
                if is_root {
                    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
        }
        server.run();
        Some(server)
    }

    /// Starts the process, again after [`Server::kill`], and waits until it answers.
    pub(crate) fn run(&mut self) {
        let is_root = std::fs::metadata(&self.folder).unwrap().uid() == NOBODY;
        let mut guard = Command::new("/bin/sh");
        guard
            .args(["-c", GUARD, "guard"])
            .arg(&self.binaries)
            .arg(&self.folder)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut guard = unprivileged(&mut guard, is_root).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        self.postgres = line.trim().parse().unwrap();
        if let Some(mut old) = self.guard.replace(guard) {
            // Ended by force: it must not remove what the new one uses.
            let _ = old.wait();
        }
        let ready = (0..600).any(|_| {
            let is_ready = Command::new(self.binaries.join("pg_isready"))
                .args(["-q", "-U", "postgres", "-p", &self.port.to_string()])
                .arg("-h")
                .arg(&self.folder)
                .status()
                .is_ok_and(|status| status.success());
            if !is_ready {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            is_ready
        });
        assert!(ready, "PostgreSQL must start: {}", self.log());
    }

    /// SIGKILL, as the kernel's memory killer does it: the postmaster and all its processes at once.
    pub(crate) fn kill(&mut self) {
        // The guard first, so that it does not tidy up.
        let mut guard = self.guard.take().unwrap();
        guard.kill().unwrap();
        guard.wait().unwrap();
        let group = format!("-{}", guard.id());
        let status = Command::new("kill").args(["-KILL", "--", &group]).status();
        assert!(status.unwrap().success());
        // Its other processes notice that it is gone, and end by themselves.
        while self.has_processes() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // In a container without an init process nobody buries the postmaster, and its lock files would
        // seem to be those of a living one.
        let socket = format!(".s.PGSQL.{}.lock", self.port);
        for lock in ["data/postmaster.pid", &socket] {
            std::fs::remove_file(self.folder.join(lock)).unwrap();
        }
    }

    /// PostgreSQL's processes work in its data directory.
    fn has_processes(&self) -> bool {
        let data = self.folder.join("data");
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .any(|process| {
                std::fs::read_link(process.path().join("cwd")).is_ok_and(|it| it == data)
            })
    }

    pub(crate) async fn create_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let statement = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        soon(
            "a new database",
            sqlx::query(statement).execute(&mut connection),
        )
        .await
        .unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        let host = self.folder.display();
        let port = self.port;
        format!("postgres://postgres@localhost:{port}/{database}?host={host}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(&self.folder).join("log")).unwrap_or_default()
    }
}
