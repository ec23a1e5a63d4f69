//! A grpc-go server: a child process that ends with its handle.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use grpc_channel::{Builder, Channel, State};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::go::Go;
#[cfg(feature = "tls")]
use crate::identity::Identity;
use crate::messages::descriptors;
use crate::wait_until;

/// A server that runs. Dropping it ends the process, and so does the end of this one, since the
/// server's standard input ends with it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What a client must trust; `None` is plaintext.
    #[cfg(feature = "tls")]
    tls: Option<grpc_channel::Tls>,
    child: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
}

/// What a server that was started with `-report-connections` tells of a connection, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Opened(u64),
    /// When it came, since the connection was opened.
    Ping(u64, Duration),
    Closed(u64),
}

/// A channel's builder to several servers.
pub(crate) fn to<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Builder {
    let addresses: Vec<String> = peers
        .into_iter()
        .map(|peer| peer.address.to_string())
        .collect();
    Channel::builder(format!("ipv4:{}", addresses.join(","))).idempotent_methods(&descriptors())
}

/// Waits until so many subchannels are READY.
pub(crate) async fn ready(channel: &Channel, count: usize) {
    wait_until(format!("{count} subchannels are READY"), || {
        let stats = channel.stats();
        let ready = stats.subchannels.iter().filter(|s| s.state == State::Ready);
        ready.count() == count
    })
    .await;
}

// === impl Go ===

impl Go {
    /// Starts a server with these flags, on a free port unless they say otherwise.
    pub(crate) async fn serve(&self, flags: &[&str]) -> Peer {
        let mut command = Command::new(&self.program);
        command.arg("serve").args(flags);
        #[cfg(feature = "tls")]
        command.args(self.identity.iter().flat_map(Identity::flags));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program was built");
        let commands = child.stdin.take().expect("standard input is a pipe");
        let output = child.stdout.take().expect("standard output is a pipe");
        let mut events = BufReader::new(output).lines();
        let address = next_line(&mut events)
            .await
            .parse()
            .expect("a server's first line is its address");
        Peer {
            address,
            #[cfg(feature = "tls")]
            tls: self.identity.as_ref().map(Identity::tls),
            child,
            commands,
            events,
        }
    }
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = lines.next_line().await.expect("a pipe can be read");
    line.expect("the server must not end before it is told to")
}

// === impl Peer ===

impl Peer {
    /// How this server is reached, with nothing else set but which methods are idempotent.
    pub(crate) fn builder(&self) -> Builder {
        let builder = to([self]);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return builder.tls(tls.clone());
        }
        builder
    }

    /// A channel with the defaults.
    pub(crate) fn channel(&self) -> Channel {
        self.builder().connect().expect("the defaults are valid")
    }

    /// Tells the server something by a line on its standard input.
    pub(crate) async fn say(&mut self, command: &str) {
        let line = format!("{command}\n");
        let written = self.commands.write_all(line.as_bytes()).await;
        written.expect("the server reads its standard input");
    }

    /// The next line of a server that reports its connections.
    pub(crate) async fn event(&mut self) -> Event {
        let line = next_line(&mut self.events).await;
        Event::parse(&line).unwrap_or_else(|| panic!("not a connection's event: {line:?}"))
    }

    /// Ends as by SIGKILL: every socket closes, and no GOAWAY is sent.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Stops accepting, sends GOAWAY and ends when the last call has.
    pub(crate) async fn drain(mut self) -> ExitStatus {
        self.say("drain").await;
        self.child.wait().await.expect("a child can be waited for")
    }
}

// === impl Event ===

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("connection ")?.split(' ');
        let number = words.next()?.parse().ok()?;
        match words.next()? {
            "opened" => Some(Self::Opened(number)),
            "closed" => Some(Self::Closed(number)),
            "ping" => {
                let micros = words.next()?.parse().ok()?;
                Some(Self::Ping(number, Duration::from_micros(micros)))
            }
            _ => None,
        }
    }
}
