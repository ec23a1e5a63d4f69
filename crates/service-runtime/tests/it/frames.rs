//! A client that writes HTTP/2 frames one by one, for what no well-behaved client can be told to do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::subject::soon;

/// What a client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// RFC 9113, section 7.
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// One connection to the server.
pub(crate) struct Peer {
    stream: TcpStream,
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It said why.
    GoAway(u32),
    /// It did not.
    Closed,
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a gRPC call, by HPACK's static table and without Huffman codes.
pub(crate) fn request(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    block.extend(b"\x0f\x10\x10application/grpc");
    block.extend(b"\x00\x02te\x08trailers");
    block
}

// === impl Peer ===

impl Peer {
    /// A connection that has said hello.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::greet(address, &frame(SETTINGS, 0, 0, &[])).await
    }

    /// The same with settings of its own, as frames.
    pub(crate) async fn greet(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await;
        let mut stream = stream.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(settings).await.unwrap();
        Self { stream }
    }

    /// Whether all of it could be sent.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((kind, payload))
    }

    /// Reads until the server ends the connection.
    pub(crate) async fn end(&mut self) -> End {
        let mut end = End::Closed;
        while let Some((kind, payload)) = self.next().await {
            if kind == GOAWAY {
                end = End::GoAway(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
        end
    }
}
