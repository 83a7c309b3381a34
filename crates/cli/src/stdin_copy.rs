//! Input that can be read only once, kept in a file so that it can be read
//! again: checking may have to. Knows nothing of what it holds.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// How users name standard input.
const STDIN: &str = "-";

/// Copies of pipes and of standard input, gone when this goes.
#[derive(Debug, Default)]
pub(crate) struct StdinCopy {
    files: Vec<PathBuf>,
}

/// An input could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}", path = path.display())]
pub(crate) struct StdinCopyError {
    path: PathBuf,
    source: io::Error,
}

impl StdinCopy {
    /// A file with the bytes of the input, which can be read more than once.
    pub(crate) fn file(&mut self, input: &Path) -> Result<PathBuf, StdinCopyError> {
        self.try_file(input).map_err(|source| StdinCopyError {
            path: input.to_owned(),
            source,
        })
    }

    fn try_file(&mut self, input: &Path) -> io::Result<PathBuf> {
        if input.as_os_str() == STDIN {
            return self.keep(&mut io::stdin().lock());
        }
        let found = fs::metadata(input)?;
        if found.is_file() {
            return Ok(input.to_owned());
        }
        if found.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.keep(&mut File::open(input)?)
    }

    fn keep(&mut self, input: &mut impl io::Read) -> io::Result<PathBuf> {
        let name = format!("ackproof-{}-{}.stdin", std::process::id(), self.files.len());
        let path = std::env::temp_dir().join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        self.files.push(path.clone());
        io::copy(input, &mut file)?;
        Ok(path)
    }
}

impl Drop for StdinCopy {
    fn drop(&mut self) {
        for file in &self.files {
            // The system clears its own directory.
            let _ = fs::remove_file(file);
        }
    }
}
