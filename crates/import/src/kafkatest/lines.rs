//! A file, line by line, without a copy of any. Knows nothing of what stands
//! in them.

use std::io::{self, Read};

use memchr::memchr;

/// The longest line that is read: some ten times what a client prints that
/// was assigned a hundred thousand partitions.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Large enough that asking for more costs nothing, small enough for a cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads lines.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What of the buffer is not yet told.
    start: usize,
    end: usize,
    /// How many lines were told.
    number: u64,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As a line does.
    Newline,
    /// With the file: it may be half a line.
    EndOfFile,
}

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'b> {
    pub(super) bytes: &'b [u8],
    /// From 1.
    pub(super) number: u64,
    pub(super) ending: Ending,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum Stop {
    Io(io::Error),
    /// The line of this number is longer than [`LINE_BYTES_MAX`].
    TooLong(u64),
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            number: 0,
        }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, Stop> {
        let mut searched = self.start;
        let (first, last, ending) = loop {
            let fresh = self.buffer.get(searched..self.end).unwrap_or_default();
            if let Some(found) = memchr(b'\n', fresh) {
                let newline = searched + found;
                let first = std::mem::replace(&mut self.start, newline + 1);
                break (first, newline, Ending::Newline);
            }
            if self.end - self.start > LINE_BYTES_MAX {
                return Err(Stop::TooLong(self.number + 1));
            }
            let held = self.end - self.start;
            if self.fill().map_err(Stop::Io)? == 0 {
                if held == 0 {
                    return Ok(None);
                }
                let first = std::mem::replace(&mut self.start, self.end);
                break (first, self.end, Ending::EndOfFile);
            }
            searched = self.start + held;
        };
        if last - first > LINE_BYTES_MAX {
            return Err(Stop::TooLong(self.number + 1));
        }
        self.number += 1;
        Ok(Some(Line {
            bytes: self.buffer.get(first..last).unwrap_or_default(),
            number: self.number,
            ending,
        }))
    }

    /// Makes room behind the line begun, and reads into it.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Drops<'i>(&'i [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(room.len()).min(self.0.len());
            room[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    fn told(input: &[u8], bytes_at_once: usize) -> Vec<(Vec<u8>, u64, Ending)> {
        let mut lines = Lines::new(Drops(input, bytes_at_once));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push((line.bytes.to_vec(), line.number, line.ending));
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let long = "x".repeat(3 * CHUNK_BYTES);
        let input = format!("a\n\nbc\n{long}\nend");
        let expected = [
            (b"a".to_vec(), 1, Ending::Newline),
            (Vec::new(), 2, Ending::Newline),
            (b"bc".to_vec(), 3, Ending::Newline),
            (long.into_bytes(), 4, Ending::Newline),
            (b"end".to_vec(), 5, Ending::EndOfFile),
        ];
        for bytes_at_once in [1021, CHUNK_BYTES - 1, usize::MAX] {
            assert_eq!(told(input.as_bytes(), bytes_at_once), expected);
        }
    }

    #[test]
    fn nothing_has_no_lines() {
        assert_eq!(told(b"", 10), []);
        assert_eq!(told(b"\n", 1).len(), 1);
    }

    #[test]
    fn a_line_of_absurd_size_is_refused_without_being_held() {
        for end in ["", "\n"] {
            let input = "x".repeat(4 * LINE_BYTES_MAX) + end;
            let mut lines = Lines::new(input.as_bytes());
            assert!(matches!(lines.next(), Err(Stop::TooLong(1))));
            assert!(lines.buffer.len() <= 4 * LINE_BYTES_MAX);
        }
        let longest = "x".repeat(LINE_BYTES_MAX) + "\n";
        assert!(Lines::new(longest.as_bytes()).next().is_ok());
        let longer = "x".repeat(LINE_BYTES_MAX + 1) + "\n";
        assert!(Lines::new(longer.as_bytes()).next().is_err());
    }
}
