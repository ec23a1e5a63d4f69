//! Rows as NDJSON: one JSON object per line, its fields as in `ProtoJSON`.

use std::io::{BufRead, Read as _};

use serde::Deserialize;
use serde::de::IgnoredAny;
use user_api::v1::User;

use super::{Line, MAX_ROW, ReadError, Reason, Row};

/// The rows of an NDJSON text. Lines with nothing but white space are no rows.
#[derive(Debug)]
pub struct NdjsonRows<R> {
    input: R,
    line: u64,
    offset: u64,
    buffer: Vec<u8>,
    is_over: bool,
}

/// A row, as it is written by people and by this program's own `--output json`.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "expected an object such as {\"displayName\":\"Ada\",\"email\":\"ada@example.com\"}"
)]
struct Fields {
    #[serde(alias = "display_name")]
    display_name: String,
    email: String,
    #[serde(default)]
    age: Option<i32>,
    // What the server assigns: what was exported can be imported, and these are ignored.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "createTime", alias = "create_time")]
    _create_time: IgnoredAny,
    #[serde(default, rename = "updateTime", alias = "update_time")]
    _update_time: IgnoredAny,
    #[serde(default, rename = "etag")]
    _etag: IgnoredAny,
}

// === impl NdjsonRows ===

impl<R: BufRead> NdjsonRows<R> {
    /// The rows of `input`.
    pub const fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            offset: 0,
            buffer: Vec::new(),
            is_over: false,
        }
    }

    /// Reads one line into the buffer, without more than a row's length of it; `false` at the end.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.buffer.clear();
        let bound = u64::try_from(MAX_ROW).unwrap_or(u64::MAX) + 1;
        let mut input = (&mut self.input).take(bound);
        let read = input.read_until(b'\n', &mut self.buffer)?;
        self.offset += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read > 0)
    }

    /// Skips the rest of a line that is too long.
    fn skip_line(&mut self) -> std::io::Result<()> {
        let skipped = self.input.skip_until(b'\n')?;
        self.offset += u64::try_from(skipped).unwrap_or(u64::MAX);
        Ok(())
    }

    fn next_line(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            self.line += 1;
            if !self.read_line()? {
                return Ok(None);
            }
            if self.buffer.len() > MAX_ROW && self.buffer.last() != Some(&b'\n') {
                self.skip_line()?;
                return Ok(Some(Err(Reason::TooLong.at(self.line, self.offset))));
            }
            let mut text = self.buffer.trim_ascii();
            if self.line == 1 {
                text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            }
            if !text.is_empty() {
                let parsed = parse(text).map(|user| Row {
                    line: self.line,
                    offset: self.offset,
                    user,
                });
                return Ok(Some(
                    parsed.map_err(|reason| reason.at(self.line, self.offset)),
                ));
            }
        }
    }
}

impl<R: BufRead> Iterator for NdjsonRows<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let line = self.next_line().map_err(|source| ReadError::Io {
            line: self.line,
            source,
        });
        // What cannot be read would fail again and again.
        self.is_over = !matches!(line, Ok(Some(_)));
        line.transpose()
    }
}

fn parse(text: &[u8]) -> Result<User, Reason> {
    let text = std::str::from_utf8(text).map_err(|_| Reason::Encoding)?;
    let document: Fields = serde_json::from_str(text).map_err(|error| {
        // The parser counts lines too, of which there is only one.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        Reason::Json {
            column: error.column(),
            message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        }
    })?;
    Ok(User {
        display_name: document.display_name,
        email: document.email,
        age: document.age,
        ..User::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Vec<Line> {
        NdjsonRows::new(text)
            .collect::<Result<_, _>>()
            .expect("a slice can be read")
    }

    #[test]
    fn both_spellings_and_what_was_exported_are_read() {
        let text = b"\xef\xbb\xbf{\"displayName\":\"Ada\",\"email\":\"a@b\",\"age\":36}\r\n\n\
            {\"id\":\"7\",\"display_name\":\"Bob\",\"email\":\"b@b\",\"createTime\":\"2023\",\"etag\":\"x\"}";
        let rows = rows(text);
        let first = rows[0].as_ref().unwrap();
        assert_eq!((first.line, first.user.age), (1, Some(36)));
        let second = rows[1].as_ref().unwrap();
        assert_eq!((second.line, second.user.display_name.as_str()), (3, "Bob"));
        assert_eq!(second.user.id, "", "the server assigns it");
        assert_eq!(second.offset, u64::try_from(text.len()).unwrap());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_the_rest_is_read() {
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(2 * MAX_ROW));
        let text = format!(
            "nonsense\n[]\n{{\"email\":\"a@b\"}}\n{{\"displayName\":\"A\",\"email\":\"a@b\",\"aeg\":1}}\n\
             {long}\n{{\"displayName\":\"Ada\",\"email\":\"a@b\"}}\n"
        );
        let rows = rows(text.as_bytes());
        for (index, part) in [
            (0, "expected ident"),
            (1, "expected an object such as"),
            (2, "missing field `displayName`"),
            (3, "unknown field `aeg`, expected one of `displayName`"),
            (4, "at most 65536 bytes"),
        ] {
            let malformed = rows[index].as_ref().expect_err("it is malformed");
            assert!(
                malformed.to_string().contains(part),
                "{part:?}: {malformed}"
            );
            assert_eq!(malformed.line, u64::try_from(index).unwrap() + 1);
        }
        assert_eq!(rows[5].as_ref().unwrap().line, 6);
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn other_bytes_than_text_are_refused() {
        let rows = rows(b"{\"displayName\":\"\xff\",\"email\":\"a@b\"}\n");
        assert_eq!(rows[0].as_ref().unwrap_err().reason, Reason::Encoding);
    }
}
