//! Reading a process's log while it grows: to see it say something, and to
//! quote its end in an error.
//!
//! Knows files and lines, not what they mean.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of a log's end is quoted.
const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_LINES: usize = 12;
/// By which a line tells of an error.
const WORDS_OF_ERRORS: [&str; 5] = ["ERROR", "FATAL", "PANIC", "Exception", "Error:"];

/// Looks for a text in what is appended to a log.
#[derive(Debug)]
pub(crate) struct LogWatch {
    path: PathBuf,
    offset: u64,
    /// The end of what was read last: the text may lie across two reads.
    carry: Vec<u8>,
    wanted: &'static str,
}

impl LogWatch {
    /// Watches for `wanted` in what comes after the first `offset` bytes.
    pub(crate) fn new(path: &Path, offset: u64, wanted: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            offset,
            carry: Vec::new(),
            wanted,
        }
    }

    /// Reads what is new. Whether the text was in it.
    pub(crate) fn seen(&mut self) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut new = std::mem::take(&mut self.carry);
        let carried = new.len();
        file.read_to_end(&mut new)?;
        self.offset += (new.len() - carried) as u64;
        let wanted = self.wanted.as_bytes();
        let seen = new.windows(wanted.len()).any(|it| it == wanted);
        self.carry = new.split_off(new.len().saturating_sub(wanted.len() - 1));
        Ok(seen)
    }
}

/// The last lines of a log, to be quoted.
#[derive(Debug, Default)]
pub struct LogTail {
    path: PathBuf,
    lines: Vec<String>,
}

impl LogTail {
    /// Reads the end of the log at `path`. A log that cannot be read has no
    /// lines: it is quoted when something else has already failed.
    pub fn of(path: &Path) -> Self {
        let read = || -> io::Result<String> {
            let mut file = File::open(path)?;
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(TAIL_LINES);
        Self {
            path: path.to_owned(),
            lines: lines[last..].iter().map(ToString::to_string).collect(),
        }
    }

    /// The last line that tells of an error, else the last line.
    pub fn last_words(&self) -> Option<&str> {
        let tells = |line: &&String| WORDS_OF_ERRORS.iter().any(|word| line.contains(word));
        let lines = || self.lines.iter().rev();
        let line = lines()
            .find(tells)
            .or_else(|| lines().find(|it| !it.trim().is_empty()));
        line.map(|line| line.trim())
    }

    /// Where the log is, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.exists().then_some(&self.path)
    }
}

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() && !self.path.exists() {
            return f.write_str("it has no log");
        }
        if self.lines.is_empty() {
            return write!(f, "its log {} is empty", self.path.display());
        }
        write!(f, "the end of its log {}:", self.path.display())?;
        for line in &self.lines {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_text_is_seen_only_after_the_start_and_also_across_two_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "started\n").unwrap();
        let mut watch = LogWatch::new(&path, 8, "started");
        assert!(!watch.seen().unwrap());
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"node sta").unwrap();
        assert!(!watch.seen().unwrap());
        log.write_all(b"rted\n").unwrap();
        assert!(watch.seen().unwrap());
        assert!(!watch.seen().unwrap(), "seen once");
    }

    #[test]
    fn the_last_words_are_those_of_an_error_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(LogTail::of(&path).to_string(), "it has no log");
        fs::write(&path, "INFO a\nFATAL b\nINFO c\n\n").unwrap();
        assert_eq!(LogTail::of(&path).last_words(), Some("FATAL b"));
        fs::write(&path, "INFO a\nINFO c\n\n").unwrap();
        assert_eq!(LogTail::of(&path).last_words(), Some("INFO c"));
    }

    #[test]
    fn a_tail_quotes_the_last_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines: Vec<_> = (0..100).map(|it| format!("line {it}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let tail = LogTail::of(&path).to_string();
        assert!(tail.ends_with("    line 99") && !tail.contains("line 87\n"));
        let none = LogTail::of(&dir.path().join("none")).to_string();
        assert_eq!(none, "it has no log");
    }
}
