//! The resume token on disk, so that the next run continues where this one ended.
//!
//! The file holds the token and a line break, and nothing else: a script can read and write it. It is
//! replaced by a rename, so that at any moment it holds one token, whole.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file that holds the token.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is there and cannot be read.
    #[error("the state file {} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It holds something else.
    #[error(
        "the state file {} holds no resume token: expected one line of text that is not empty", .0.display()
    )]
    Malformed(PathBuf),
    /// It cannot be replaced.
    #[error("the state file {} cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

// === impl StateFile ===

impl StateFile {
    /// The file at `path`, whether it is there or not.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token; `None` when there is no file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or holds anything but one line.
    pub fn read(&self) -> Result<Option<String>, StateError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(StateError::Malformed(self.path.clone()));
            }
            Err(error) => return Err(StateError::Read(self.path.clone(), error)),
        };
        let token = text.strip_suffix('\n').unwrap_or(&text);
        let token = token.strip_suffix('\r').unwrap_or(token);
        if token.is_empty() || token.contains(char::is_control) {
            return Err(StateError::Malformed(self.path.clone()));
        }
        Ok(Some(token.to_owned()))
    }

    /// Replaces the token. It is on the disk when this returns.
    ///
    /// # Errors
    /// When the file's folder cannot be written to; the file is then as it was.
    pub fn write(&self, token: &str) -> Result<(), StateError> {
        self.replace(token)
            .map_err(|error| StateError::Write(self.path.clone(), error))
    }

    fn replace(&self, token: &str) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{token}")?;
        file.as_file().sync_data()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path().join("state"));
        assert_eq!(file.read().unwrap(), None, "no file is no token");
        for token in ["first", "second=="] {
            file.write(token).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(token));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_token_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for content in [&b""[..], b"\n", b"one\ntwo\n", b"\xff\xfe"] {
            std::fs::write(&path, content).unwrap();
            let error = StateFile::new(path.clone()).read().expect_err("no token");
            assert!(
                matches!(error, StateError::Malformed(_)) && error.to_string().contains("state"),
                "{content:?}: {error}"
            );
        }
    }
}
