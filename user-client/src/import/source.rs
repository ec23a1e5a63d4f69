//! A file or standard input, read on a thread of its own.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tokio::sync::mpsc;

use super::csv::CsvRows;
use super::ndjson::NdjsonRows;
use super::{Line, ReadError};

/// How many rows are read ahead of the connection.
const READ_AHEAD: usize = 64;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header that names the columns, and a row per line.
    Csv,
    /// A JSON object per line.
    #[value(alias = "jsonl")]
    Ndjson,
}

/// Where rows come from.
#[derive(Debug)]
pub struct Source {
    name: Name,
    input: Input,
    format: Format,
    /// How many bytes there are, if that is known.
    length: Option<u64>,
}

/// What to call a source.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    File(PathBuf),
    StandardInput,
}

#[derive(Debug)]
enum Input {
    File(File),
    StandardInput,
}

/// The rows of a source, no faster than they are taken.
pub type Rows = mpsc::Receiver<Result<Line, ReadError>>;

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is not there, or may not be read.
    #[error("{} cannot be opened", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Nothing says how the rows are written.
    #[error("{0}: expected a name that ends in .csv, .ndjson or .jsonl, or --format csv|ndjson")]
    Format(String),
    /// There is no thread to read it on.
    #[error("no thread can be started to read it")]
    Thread(#[source] io::Error),
}

// === impl Format ===

impl Format {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension().and_then(OsStr::to_str)?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

// === impl Source ===

impl Source {
    /// Opens the file at `path`, or standard input for `-`. The format is `format`, or what the
    /// file's name ends in.
    ///
    /// # Errors
    /// When the file cannot be opened, or nothing says its format.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, OpenError> {
        let name = if path == Path::new("-") {
            Name::StandardInput
        } else {
            Name::File(path.to_owned())
        };
        let format = format.or_else(|| Format::of(path));
        let format = format.ok_or_else(|| OpenError::Format(name.to_string()))?;
        let (input, length) = match &name {
            Name::StandardInput => (Input::StandardInput, None),
            Name::File(path) => {
                let failed = |error| OpenError::File(path.clone(), error);
                let file = File::open(path).map_err(failed)?;
                let metadata = file.metadata().map_err(failed)?;
                if metadata.is_dir() {
                    return Err(failed(io::ErrorKind::IsADirectory.into()));
                }
                // A pipe or a device has a name too, and no length.
                let length = metadata.is_file().then_some(metadata.len());
                (Input::File(file), length)
            }
        };
        Ok(Self {
            name,
            input,
            format,
            length,
        })
    }

    /// How many bytes there are, if that is known.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Begins to read. The thread ends when all is read or nobody takes rows any more; one that
    /// waits for standard input is left behind.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn read(self) -> Result<Rows, OpenError> {
        let (sender, rows) = mpsc::channel(READ_AHEAD);
        let read = move || match self.input {
            Input::File(file) => read(file, self.format, &sender),
            Input::StandardInput => read(io::stdin().lock(), self.format, &sender),
        };
        std::thread::Builder::new()
            .name("rows".to_owned())
            .spawn(read)
            .map_err(OpenError::Thread)?;
        Ok(rows)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::StandardInput => f.write_str("standard input"),
        }
    }
}

fn read(input: impl Read, format: Format, rows: &mpsc::Sender<Result<Line, ReadError>>) {
    let send = |row| rows.blocking_send(row).is_ok();
    let _all_taken = match format {
        Format::Csv => match CsvRows::new(input) {
            Ok(mut found) => found.all(send),
            Err(error) => send(Err(error)),
        },
        Format::Ndjson => NdjsonRows::new(BufReader::new(input)).all(send),
    };
}
