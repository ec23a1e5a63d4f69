//! Real PostgreSQL servers, started from this machine's binaries and ended with this process, however it
//! ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, chown};
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
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=500 \
    -c shared_buffers=64MB -c fsync="$3" </dev/null >>"$2/log" 2>&1 &
echo $!
cat >/dev/null
kill -INT $! 2>/dev/null
wait
rm -rf "$2"
"#;

/// One server.
pub(crate) struct Server {
    folder: PathBuf,
    postgres: u32,
    guard: Option<Child>,
    binaries: PathBuf,
    fsync: bool,
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
    pub(crate) fn start(fsync: bool) -> Option<Self> {
        let Some(binaries) = binaries() else {
            println!(
                "SKIPPED: there are no PostgreSQL binaries (initdb, postgres) on this machine"
            );
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
            fsync,
        };
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
            .arg(if self.fsync { "on" } else { "off" })
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
                .args(["-q", "-U", "postgres"])
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
        // In a container without an init process nobody buries the postmaster, and its lock files would
        // seem to be those of a living one.
        for lock in ["data/postmaster.pid", ".s.PGSQL.5432.lock"] {
            std::fs::remove_file(self.folder.join(lock)).unwrap();
        }
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
        format!("postgres://postgres@localhost/{database}?host={host}")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(&self.folder).join("log")).unwrap_or_default()
    }
}
