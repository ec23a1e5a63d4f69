//! A server that writes HTTP/2 frames one by one, for what no well-behaved server can be told to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use crate::echo::Message;
use crate::replica::unused_address;

/// What a client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes by their numbers in RFC 9113, section 7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Accepts connections.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// One connection, whose client has been greeted and counts it as READY.
pub(crate) struct Peer {
    stream: TcpStream,
    /// What each open request has sent so far.
    bodies: BTreeMap<u32, BytesMut>,
}

/// What the client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request began.
    Began(u32),
    /// A part of a request arrived.
    Data(u32),
    /// A request has ended.
    Ended(u32),
    /// The client cancelled a stream.
    Reset(u32),
    /// The client closed the connection.
    Closed,
}

// === impl Listener ===

impl Listener {
    pub(crate) async fn bind() -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await;
        Self {
            address,
            listener: listener.expect("the address is this listener's own"),
        }
    }

    pub(crate) fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// The next connection, as it comes.
    pub(crate) async fn socket(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().await.expect("a listener accepts");
        stream.set_nodelay(true).expect("a socket has the option");
        stream
    }

    /// The next connection, ready for calls.
    pub(crate) async fn peer(&self) -> Peer {
        let mut stream = self.socket().await;
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(preface, PREFACE, "the client speaks HTTP/2");
        let mut peer = Peer {
            stream,
            bodies: BTreeMap::new(),
        };
        peer.frame(SETTINGS, 0, 0, &[]).await;
        while peer.read().await.is_some_and(|kind| kind != PING) {}
        peer
    }
}

// === impl Peer ===

impl Peer {
    /// Reads one frame and answers it if HTTP/2 asks for it. `None` at the end.
    async fn read(&mut self) -> Option<u8> {
        self.read_event().await.map(|(kind, _)| kind)
    }

    async fn read_event(&mut self) -> Option<(u8, Option<Event>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let id = u32::from_be_bytes(id);
        let ended = flags & END_STREAM != 0;
        let event = match kind {
            SETTINGS if flags & ACK == 0 => {
                self.frame(SETTINGS, ACK, 0, &[]).await;
                None
            }
            PING if flags & ACK == 0 => {
                self.frame(PING, ACK, 0, &payload).await;
                None
            }
            HEADERS => {
                self.bodies.insert(id, BytesMut::new());
                Some(if ended {
                    Event::Ended(id)
                } else {
                    Event::Began(id)
                })
            }
            DATA => {
                let body = self.bodies.entry(id).or_default();
                body.extend_from_slice(&payload);
                Some(if ended {
                    Event::Ended(id)
                } else {
                    Event::Data(id)
                })
            }
            RST_STREAM => Some(Event::Reset(id)),
            _ => None,
        };
        Some((kind, event))
    }

    /// What the client does next. Cancel it only to give the connection up.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            match self.read_event().await {
                None => return Event::Closed,
                Some((_, Some(event))) => return event,
                Some((_, None)) => {}
            }
        }
    }

    /// The next request that is complete: its stream and its messages.
    pub(crate) async fn request(&mut self) -> (u32, Vec<Message>) {
        loop {
            match self.event().await {
                Event::Ended(stream) => return (stream, self.messages(stream)),
                Event::Closed => panic!("a request must come before the end"),
                _ => {}
            }
        }
    }

    /// The next request that begins: its stream.
    pub(crate) async fn begun(&mut self) -> u32 {
        loop {
            match self.event().await {
                Event::Began(stream) | Event::Ended(stream) => return stream,
                Event::Closed => panic!("a request must come before the end"),
                _ => {}
            }
        }
    }

    /// The messages that a request has sent so far.
    pub(crate) fn messages(&self, stream: u32) -> Vec<Message> {
        let mut body = self.bodies[&stream].clone().freeze();
        let mut messages = Vec::new();
        while body.len() >= 5 {
            let length = u32::from_be_bytes([body[1], body[2], body[3], body[4]]) as usize;
            if body.len() < 5 + length {
                break;
            }
            let message = body.split_to(5 + length).slice(5..);
            messages.push(Message::decode(message).expect("the client sends messages"));
        }
        messages
    }

    /// Begins a response.
    pub(crate) async fn head(&mut self, stream: u32) {
        self.frame(HEADERS, END_HEADERS, stream, &head_block())
            .await;
    }

    /// Answers with one message and OK.
    pub(crate) async fn respond(&mut self, stream: u32, message: &Message) {
        self.head(stream).await;
        self.data(stream, message).await;
        self.trailers(stream, Code::Ok, None).await;
    }

    /// Sends one message of a response.
    pub(crate) async fn data(&mut self, stream: u32, message: &Message) {
        let encoded = message.encode_to_vec();
        let mut data = BytesMut::new();
        data.put_u8(0);
        data.put_u32(encoded.len().try_into().expect("a short message"));
        data.put_slice(&encoded);
        self.frame(DATA, 0, stream, &data).await;
    }

    /// Answers as a proxy does that does not speak gRPC.
    pub(crate) async fn http_status(&mut self, stream: u32, status: u16) {
        let mut block = BytesMut::new();
        field(&mut block, ":status", &status.to_string());
        self.frame(HEADERS, END_HEADERS, stream, &block).await;
        self.frame(DATA, END_STREAM, stream, b"no healthy upstream")
            .await;
    }

    /// Ends a response, perhaps with a word on when to try again.
    pub(crate) async fn trailers(&mut self, stream: u32, code: Code, pushback: Option<&str>) {
        self.end(stream, BytesMut::new(), code, pushback).await;
    }

    /// Answers with trailers only, as servers send an error before anything else.
    pub(crate) async fn refuse(&mut self, stream: u32, code: Code, pushback: Option<&str>) {
        self.end(stream, head_block(), code, pushback).await;
    }

    async fn end(&mut self, stream: u32, mut block: BytesMut, code: Code, pushback: Option<&str>) {
        field(&mut block, "grpc-status", &i32::from(code).to_string());
        if let Some(pushback) = pushback {
            field(&mut block, "grpc-retry-pushback-ms", pushback);
        }
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
            .await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last_stream: u32, code: u32, debug: &str) {
        let mut payload = BytesMut::new();
        payload.put_u32(last_stream);
        payload.put_u32(code);
        payload.put_slice(debug.as_bytes());
        self.frame(GOAWAY, 0, 0, &payload).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_uint(payload.len() as u64, 3);
        frame.put_u8(kind);
        frame.put_u8(flags);
        frame.put_u32(stream);
        frame.put_slice(payload);
        let written = self.stream.write_all(&Bytes::from(frame)).await;
        written.expect("the client reads");
    }
}

/// The header fields of every response.
fn head_block() -> BytesMut {
    let mut block = BytesMut::new();
    block.put_u8(0x88); // `:status: 200`, which is in HPACK's static table
    field(&mut block, "content-type", "application/grpc");
    block
}

/// A header field that HPACK takes as it is, without indexing.
fn field(block: &mut BytesMut, name: &str, value: &str) {
    block.put_u8(0);
    for text in [name, value] {
        block.put_u8(text.len().try_into().expect("a short text"));
        block.put_slice(text.as_bytes());
    }
}
