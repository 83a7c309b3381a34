//! The reader: frames in, events out, and a clear word on how the file ends.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use model::event::Event;

use crate::{FILE_HEADER_BYTES, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, MAGIC, VERSION};

/// Why a history cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The operating system refused.
    #[error("cannot read {}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not begin like a history.
    #[error("{} is not a history: it does not begin with ACKPROOF", file.display())]
    NotAHistory {
        /// The file.
        file: PathBuf,
    },
    /// It was written by a later version.
    #[error(
        "{} has format version {found}, and this ackproof reads up to {VERSION}: use a newer one",
        file.display()
    )]
    TooNew {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u16,
    },
    /// A frame is not what was written.
    #[error("{} is damaged at byte {at}: {what}", file.display())]
    Frame {
        /// The file.
        file: PathBuf,
        /// Where the frame begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How a history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// After a whole frame.
    Whole,
    /// Inside a frame, as after a crash; the events before it were read.
    CutOff {
        /// Where the incomplete frame begins.
        at: u64,
    },
}

/// Reads a history, event by event, one frame in memory at a time.
#[derive(Debug)]
pub struct Reader {
    file: PathBuf,
    input: BufReader<File>,
    at: u64,
    frame: Vec<u8>,
    position: usize,
    events_left: u32,
    tail: Option<Tail>,
    failed: bool,
}

impl Reader {
    /// Opens a history.
    ///
    /// # Errors
    /// When it is not a history, too new, or unreadable.
    pub fn open(path: &Path) -> Result<Self, Damage> {
        let io = |source| Damage::Io {
            file: path.to_owned(),
            source,
        };
        let mut input = BufReader::with_capacity(256 * 1024, File::open(path).map_err(io)?);
        let mut header = [0; FILE_HEADER_BYTES];
        let filled = fill(&mut input, &mut header).map_err(io)?;
        let begins = header.get(..MAGIC.len()) == Some(&MAGIC);
        if filled < FILE_HEADER_BYTES || !begins {
            return Err(Damage::NotAHistory {
                file: path.to_owned(),
            });
        }
        let found = u16::from_le_bytes([header[8], header[9]]);
        if found != VERSION {
            return Err(Damage::TooNew {
                file: path.to_owned(),
                found,
            });
        }
        Ok(Self {
            file: path.to_owned(),
            input,
            at: FILE_HEADER_BYTES as u64,
            frame: Vec::new(),
            position: 0,
            events_left: 0,
            tail: None,
            failed: false,
        })
    }

    /// How the file ended; none while there is more to read.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    fn damaged(&self, what: &'static str) -> Damage {
        Damage::Frame {
            file: self.file.clone(),
            at: self.at,
            what,
        }
    }

    fn io(&self, source: io::Error) -> Damage {
        Damage::Io {
            file: self.file.clone(),
            source,
        }
    }

    /// Reads the next frame; false at the end.
    fn next_frame(&mut self) -> Result<bool, Damage> {
        let mut header = [0; FRAME_HEADER_BYTES];
        let filled = fill(&mut self.input, &mut header).map_err(|error| self.io(error))?;
        if filled < FRAME_HEADER_BYTES {
            self.tail = Some(match filled {
                0 => Tail::Whole,
                _ => Tail::CutOff { at: self.at },
            });
            return Ok(false);
        }
        let [length, unpacked, events, payload_crc, header_crc] = numbers(&header);
        if crc32fast::hash(&header[..16]) != header_crc {
            return Err(self.damaged("the checksum of a frame's header is wrong"));
        }
        if length > FRAME_BYTES_MAX || unpacked > FRAME_BYTES_MAX {
            return Err(self.damaged("a frame is larger than any that is written"));
        }
        let mut payload = vec![0; length as usize];
        let filled = fill(&mut self.input, &mut payload).map_err(|error| self.io(error))?;
        if filled < payload.len() {
            self.tail = Some(Tail::CutOff { at: self.at });
            return Ok(false);
        }
        if crc32fast::hash(&payload) != payload_crc {
            return Err(self.damaged("the checksum of a frame is wrong"));
        }
        self.frame = lz4_flex::block::decompress(&payload, unpacked as usize)
            .map_err(|_| self.damaged("a frame does not decompress"))?;
        self.position = 0;
        self.events_left = events;
        self.at += (FRAME_HEADER_BYTES + payload.len()) as u64;
        Ok(true)
    }

    fn next_event(&mut self) -> Result<Option<Event>, Damage> {
        while self.events_left == 0 {
            if self.position < self.frame.len() {
                return Err(self.damaged("a frame holds more than its events"));
            }
            if self.tail.is_some() || !self.next_frame()? {
                return Ok(None);
            }
        }
        let rest = self.frame.get(self.position..).unwrap_or_default();
        let (event, after) = postcard::take_from_bytes(rest)
            .map_err(|_| self.damaged("an event before this byte is not one"))?;
        self.position = self.frame.len() - after.len();
        self.events_left -= 1;
        Ok(Some(event))
    }
}

impl Iterator for Reader {
    type Item = Result<Event, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_event().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Reads until the buffer is full or the file ends; says how much it read.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn numbers(header: &[u8; FRAME_HEADER_BYTES]) -> [u32; 5] {
    let mut numbers = [0; 5];
    for (number, bytes) in numbers.iter_mut().zip(header.chunks_exact(4)) {
        *number = bytes
            .iter()
            .rev()
            .fold(0, |value, byte| (value << 8) | u32::from(*byte));
    }
    numbers
}
