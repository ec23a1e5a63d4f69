//! The measured comparison of protobuf with JSON: the same messages, encoded and decoded with prost
//! and with `serde_json`, time and bytes in one table with the ratio.
//!
//! `cargo bench -p user-api` prints it. The JSON is what the [ProtoJSON] mapping makes of the
//! messages, read and written by plain serde structs: what a JSON service in Rust would do. Both
//! sides keep every value, which is checked before anything is measured.
//!
//! [ProtoJSON]: https://protobuf.dev/programming-guides/json/
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on fails, and says why"
)]

mod document;
mod measure;
mod sample;

use std::hint::black_box;

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use user_api::v1::{GetUserResponse, ListUsersResponse};

use self::document::{GetDocument, ListDocument};
use self::measure::{Pair, measure};

/// How many rounds are measured; each runs both sides once, in alternating order.
const ROUNDS: usize = 2_001;

fn main() {
    // `cargo test --benches` runs this too, and wants to know only whether it works.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_measured { ROUNDS } else { 1 };
    let get = GetUserResponse {
        user: Some(sample::user(0)),
    };
    let list = |count| ListUsersResponse {
        users: (0..count).map(sample::user).collect(),
        next_page_token: "MDE4OTBhNWQtYWM5Ni03NzRi".to_owned(),
    };
    let rows = [
        compare::<_, GetDocument>("GetUserResponse", &get, rounds),
        compare::<_, ListDocument>("ListUsersResponse of 50", &list(50), rounds),
        compare::<_, ListDocument>("ListUsersResponse of 1,000", &list(1_000), rounds),
    ];
    println!(
        "{:<28}{:<8}{:>14}{:>14}{:>24}",
        "message", "", "protobuf", "JSON", "JSON : protobuf"
    );
    for line in rows.iter().flatten() {
        println!("{line}");
    }
    if is_measured {
        println!(
            "\nTimes are medians of {ROUNDS} interleaved rounds; the ratio is the median of the \
             rounds' ratios, with\nthe middle half of them in brackets. Quote ratios: they hold on \
             a busy machine, times do not."
        );
    }
}

/// The three lines of one message: encode, decode, bytes.
fn compare<M, D>(name: &str, message: &M, rounds: usize) -> [String; 3]
where
    M: Message + Default + PartialEq,
    D: for<'a> From<&'a M> + Into<M> + Serialize + DeserializeOwned,
{
    let document = D::from(message);
    let binary = message.encode_to_vec();
    let json = serde_json::to_vec(&document).expect("the document can be written");
    let decode_binary = || M::decode(binary.as_slice()).expect("the bytes are a message");
    let decode_json = || serde_json::from_slice::<D>(&json).expect("the bytes are a document");
    assert!(
        decode_binary() == *message,
        "protobuf must keep every value"
    );
    assert!(
        decode_json().into() == *message,
        "JSON must keep every value"
    );

    let encode = measure(
        rounds,
        || drop(black_box(black_box(message).encode_to_vec())),
        || drop(black_box(serde_json::to_vec(black_box(&document)))),
    );
    let decode = measure(
        rounds,
        || drop(black_box(decode_binary())),
        || drop(black_box(decode_json())),
    );
    [
        time_line(name, "encode", &encode),
        time_line("", "decode", &decode),
        bytes_line(binary.len(), json.len()),
    ]
}

fn time_line(name: &str, what: &str, pair: &Pair) -> String {
    format!(
        "{name:<28}{what:<8}{:>14}{:>14}{:>10.2} [{:>4.2} – {:>4.2}]",
        nanos(pair.first),
        nanos(pair.second),
        pair.ratio,
        pair.quartiles.0,
        pair.quartiles.1,
    )
}

fn bytes_line(binary: usize, json: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "the sizes are far below 2^52")]
    let ratio = json as f64 / binary as f64;
    format!(
        "{:<28}{:<8}{binary:>12} B{json:>12} B{ratio:>10.2}",
        "", "size"
    )
}

/// A time to three significant digits, in the unit that fits.
fn nanos(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{nanos:.0} ns"),
        ..1e4 => format!("{:.2} µs", nanos / 1e3),
        ..1e5 => format!("{:.1} µs", nanos / 1e3),
        ..1e6 => format!("{:.0} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}
