//! Rows as CSV ([RFC 4180]) with a header that names the columns, in any order.
//!
//! [RFC 4180]: https://www.rfc-editor.org/rfc/rfc4180

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ErrorKind, StringRecord};
use user_api::v1::User;

use super::{Line, MAX_ROW, ReadError, Reason, Row};

/// How much the parser reads ahead.
const BUFFER: usize = 64 * 1024;

/// Columns that the server fills: what was exported can be imported, and these are ignored.
const OUTPUT_ONLY: [&str; 4] = ["id", "create_time", "update_time", "etag"];

/// The rows of a CSV text. Empty lines are no rows.
#[derive(Debug)]
pub struct CsvRows<R> {
    reader: csv::Reader<Tapped<R>>,
    tap: Rc<RefCell<Tap>>,
    columns: Columns,
    record: StringRecord,
    is_over: bool,
}

/// Where the fields are.
#[derive(Clone, Copy, Debug)]
struct Columns {
    display_name: usize,
    email: usize,
    age: Option<usize>,
}

/// A reader whose bytes are seen on their way to the parser.
#[derive(Debug)]
struct Tapped<R> {
    input: R,
    tap: Rc<RefCell<Tap>>,
}

/// What the parser has taken, for two things that it does not do: it counts a line's end as a part of
/// the next row, and it reads a row of any length.
#[derive(Debug)]
struct Tap {
    /// How much may be read before the row that is being parsed ends.
    allowance: usize,
    /// The bytes from the last row that was asked for on.
    ahead: VecDeque<u8>,
    /// Where the first of them is in the input.
    offset: u64,
    /// On which line that is.
    line: u64,
}

// === impl CsvRows ===

impl<R: Read> CsvRows<R> {
    /// Reads the header of `input`; the rows follow.
    ///
    /// # Errors
    /// When it names other columns than those that there are, or lacks one.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let tap = Rc::new(RefCell::new(Tap::new()));
        let tapped = Tapped {
            input,
            tap: tap.clone(),
        };
        let mut reader = csv::ReaderBuilder::new()
            .buffer_capacity(BUFFER)
            .from_reader(tapped);
        let columns = match reader.headers() {
            Ok(header) => Columns::new(header)?,
            Err(error) => return Err(fatal(error, 1)),
        };
        Ok(Self {
            reader,
            tap,
            columns,
            record: StringRecord::new(),
            is_over: false,
        })
    }

    fn read(&mut self) -> Option<Result<Line, ReadError>> {
        self.tap.borrow_mut().allowance = MAX_ROW + BUFFER;
        let begin = self.reader.position().byte();
        let read = self.reader.read_record(&mut self.record);
        let line = self.tap.borrow_mut().line_of_row(begin);
        let offset = self.reader.position().byte();
        let parsed = match read {
            Ok(false) => return None,
            Ok(true) => self.columns.parse(&self.record),
            Err(error) => Err(match error.kind() {
                ErrorKind::Utf8 { .. } => Reason::Encoding,
                ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => Reason::Fields {
                    expected: *expected_len,
                    found: *len,
                },
                _ => return Some(Err(fatal(error, line))),
            }),
        };
        let row = parsed.map(|user| Row { line, offset, user });
        Some(Ok(row.map_err(|reason| reason.at(line, offset))))
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// What keeps the rest from being read.
fn fatal(error: csv::Error, line: u64) -> ReadError {
    match error.into_kind() {
        ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
            ReadError::Endless { line }
        }
        ErrorKind::Io(source) => ReadError::Io { line, source },
        // The header, in which no byte may be wrong.
        _ => ReadError::Io {
            line,
            source: io::ErrorKind::InvalidData.into(),
        },
    }
}

// === impl Columns ===

impl Columns {
    fn new(header: &StringRecord) -> Result<Self, ReadError> {
        if header.is_empty() {
            return Err(ReadError::NoHeader);
        }
        let mut seen: Vec<&str> = Vec::new();
        for name in header.iter().map(str::trim) {
            if seen.contains(&name) {
                return Err(ReadError::ColumnTwice(name.to_owned()));
            }
            if !["display_name", "email", "age"].contains(&name) && !OUTPUT_ONLY.contains(&name) {
                return Err(ReadError::ColumnUnknown(name.to_owned()));
            }
            seen.push(name);
        }
        let place = |wanted: &str| seen.iter().position(|name| *name == wanted);
        Ok(Self {
            display_name: place("display_name").ok_or(ReadError::ColumnMissing("display_name"))?,
            email: place("email").ok_or(ReadError::ColumnMissing("email"))?,
            age: place("age"),
        })
    }

    fn parse(&self, record: &StringRecord) -> Result<User, Reason> {
        let field = |name, place| match record.get(place).unwrap_or_default() {
            "" => Err(Reason::Missing(name)),
            text => Ok(text.to_owned()),
        };
        let age = self.age.and_then(|place| record.get(place));
        let age = match age.map(str::trim).unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|_| Reason::Age(text.to_owned()))?),
        };
        Ok(User {
            display_name: field("display_name", self.display_name)?,
            email: field("email", self.email)?,
            age,
            ..User::default()
        })
    }
}

// === impl Tapped ===

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tap = self.tap.borrow_mut();
        if tap.allowance == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = buffer.len().min(tap.allowance);
        let read = self.input.read(&mut buffer[..length])?;
        tap.allowance -= read;
        tap.ahead.extend(&buffer[..read]);
        Ok(read)
    }
}

// === impl Tap ===

impl Tap {
    const fn new() -> Self {
        Self {
            allowance: MAX_ROW + BUFFER,
            ahead: VecDeque::new(),
            offset: 0,
            line: 1,
        }
    }

    /// The line of the row that the parser finds from this offset on: line ends before it are not a
    /// part of it. Forgets all that is before it.
    fn line_of_row(&mut self, begin: u64) -> u64 {
        while let Some(&byte) = self.ahead.front()
            && (self.offset < begin || matches!(byte, b'\r' | b'\n'))
        {
            self.ahead.pop_front();
            self.offset += 1;
            self.line += u64::from(byte == b'\n');
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Line> {
        CsvRows::new(text.as_bytes())
            .expect("the header is right")
            .collect::<Result<_, _>>()
            .expect("the rows can be read")
    }

    #[test]
    fn columns_come_in_any_order_and_a_row_may_be_several_lines() {
        let rows = rows(
            "\u{feff}email,age,id,display_name\r\na@b,36,7,\"Ada, \"\"the\r\nfirst\"\"\"\r\n\r\nb@b,,,Bob\r\n",
        );
        let ada = rows[0].as_ref().unwrap();
        assert_eq!(ada.user.display_name, "Ada, \"the\r\nfirst\"");
        assert_eq!((ada.line, ada.user.age), (2, Some(36)));
        let bob = rows[1].as_ref().unwrap();
        assert_eq!(
            (bob.line, bob.user.age),
            (5, None),
            "a field spanned two lines, one was empty"
        );
        assert_eq!(bob.user.id, "", "the server assigns it");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_is_read() {
        let rows = rows("display_name,email,age\nAda,a@b,old\nBob,b@b\n,c@b,1\nDan,d@b,4\n");
        for (index, line, part) in [
            (
                0,
                2,
                "age: expected a whole number or nothing, found \"old\"",
            ),
            (1, 3, "expected 3 fields as in the header, found 2"),
            (2, 4, "display_name: expected a value, found none"),
        ] {
            let malformed = rows[index].as_ref().expect_err("it is malformed");
            assert_eq!(
                (malformed.line, malformed.to_string().as_str()),
                (line, part)
            );
        }
        assert_eq!(rows[3].as_ref().unwrap().line, 5);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_alone() {
        let text = b"display_name,email\nA\xffa,a@b\nBob,b@b\n";
        let rows: Vec<_> = CsvRows::new(&text[..])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rows[0].as_ref().unwrap_err().reason, Reason::Encoding);
        assert_eq!(rows[1].as_ref().unwrap().user.email, "b@b");
    }

    #[test]
    fn a_wrong_header_says_what_was_expected() {
        for (text, part) in [
            ("", "found nothing"),
            ("display_name,age\n", "lacks the column email"),
            ("name,email\n", "the column \"name\""),
            ("email,email,display_name\n", "\"email\" twice"),
        ] {
            let error = CsvRows::new(text.as_bytes()).expect_err("the header is wrong");
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_read_the_whole_file() {
        let endless = format!(
            "display_name,email\nAda,a@b\n\"Bob,b@b\n{}",
            "Cleo,c@b\n".repeat(100_000)
        );
        let mut rows = CsvRows::new(endless.as_bytes()).unwrap();
        assert!(rows.next().unwrap().is_ok());
        let error = rows.next().unwrap().expect_err("the row has no end");
        assert!(
            error.to_string().starts_with("line 3: a row of more than"),
            "{error}"
        );
        assert!(rows.next().is_none());
    }
}
