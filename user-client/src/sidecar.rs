//! Whether the sidecar of a service mesh runs in this pod: it balances and retries too, and two who
//! balance get in each other's way.
//!
//! A sidecar shows in nothing that a container can see of itself: it gets no variable, no file and no
//! mount. But all containers of a pod share the loopback interface, and there a sidecar answers the
//! kubelet's question whether it is ready: Istio's on [15021], Linkerd's on [4191]. A mesh without
//! sidecars (Istio's ambient mode, Cilium) is not seen.
//!
//! [15021]: https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio
//! [4191]: https://github.com/linkerd/linkerd-await#readme

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Whose sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesh {
    /// Istio's, which is Envoy with an agent.
    Istio,
    /// Linkerd's proxy.
    Linkerd,
}

/// Where a sidecar tells whether it is ready.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Whose.
    pub mesh: Mesh,
    /// The address.
    pub address: SocketAddr,
    /// The path, by plain HTTP.
    pub path: &'static str,
}

/// Where the sidecars that are known can be found.
pub const PLACES: [Place; 2] = [
    Place {
        mesh: Mesh::Istio,
        address: loopback(15021),
        path: "/healthz/ready",
    },
    Place {
        mesh: Mesh::Linkerd,
        address: loopback(4191),
        path: "/ready",
    },
];

/// How long one sidecar may take to answer, which is on this very machine.
const ANSWER: Duration = Duration::from_millis(500);

/// How often [`warn`] looks, a second apart: a sidecar may start after the program.
const LOOKS: u32 = 10;

/// Longer than any status line.
const STATUS_LINE: usize = 64;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Whose sidecar is in this pod, if any: the first of the places where one answers.
pub async fn find(places: &[Place]) -> Option<Place> {
    for place in places {
        if let Ok(Ok(true)) = timeout(ANSWER, is_there(place)).await {
            return Some(*place);
        }
    }
    None
}

/// Logs a warning when a sidecar is in this pod, once. For programs that balance by themselves; ends
/// after ten seconds at the latest.
pub async fn warn(places: &[Place]) {
    for _look in 0..LOOKS {
        if let Some(Place { mesh, address, .. }) = find(places).await {
            tracing::warn!(
                %mesh,
                %address,
                "a sidecar is in this pod, which balances and retries as this program does: set \
                 mesh = true and the name of a Service with a cluster IP as the target, or keep the \
                 sidecar out of the pod"
            );
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Whether somebody answers as a sidecar does, ready or not yet.
async fn is_there(place: &Place) -> io::Result<bool> {
    let mut stream = TcpStream::connect(place.address).await?;
    let Place { address, path, .. } = place;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; STATUS_LINE];
    let mut filled = 0;
    while filled < answer.len() && !answer[..filled].contains(&b'\n') {
        match stream.read(&mut answer[filled..]).await? {
            0 => break,
            count => filled += count,
        }
    }
    let answer = String::from_utf8_lossy(&answer[..filled]);
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    Ok(matches!(status, Some("200" | "503")))
}

// === impl Mesh ===

impl fmt::Display for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Istio => "Istio",
            Self::Linkerd => "Linkerd",
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every request alike.
    async fn answering(answer: &'static str) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                let mut request = [0; 1024];
                let _length = stream.read(&mut request).await;
                let _written = stream.write_all(answer.as_bytes()).await;
            }
        });
        Place {
            address,
            ..PLACES[0]
        }
    }

    #[tokio::test]
    async fn a_sidecar_is_found_before_it_is_ready() {
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 503 Not yet\r\n\r\n"] {
            let place = answering(answer).await;
            let found = find(&[place]).await.expect("it answers as a sidecar does");
            assert_eq!(found.mesh, Mesh::Istio);
        }
    }

    #[tokio::test]
    async fn whoever_else_has_the_port_is_no_sidecar() {
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Place {
                address: listener.local_addr().unwrap(),
                ..PLACES[1]
            }
        };
        let other = answering("HTTP/1.1 404 Not Found\r\n\r\n").await;
        let no_http = answering("220 mail\r\n").await;
        let hangs_up = answering("").await;
        let found = find(&[closed, other, no_http, hangs_up]).await;
        assert!(found.is_none(), "{found:?} is no sidecar");
    }
}
