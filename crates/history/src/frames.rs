//! Frames out of a file, checked and decompressed, one in memory at a time.
//! Knows nothing of events.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::damage::{Damage, Tail};
use crate::layout::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameHeader, HEADER_BYTES, MAGIC, NAMED_BYTES, VERSION,
};

/// Reads a history frame by frame.
#[derive(Debug)]
pub(crate) struct Frames {
    file: PathBuf,
    input: BufReader<Input>,
    /// Where the current frame begins.
    at: u64,
    /// Where the next one does.
    next_at: u64,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    /// How much of `unpacked` is the current frame.
    length: usize,
    tail: Option<Tail>,
}

impl Frames {
    pub(crate) fn open(path: &Path) -> Result<Self, Damage> {
        match File::open(path) {
            Ok(input) => Self::new(path, input),
            Err(source) => Err(Damage::Io {
                file: path.to_owned(),
                source,
            }),
        }
    }

    pub(crate) fn new(name: &Path, input: impl Read + Send + 'static) -> Result<Self, Damage> {
        let mut frames = Self {
            file: name.to_owned(),
            input: BufReader::new(Input(Box::new(input))),
            at: 0,
            next_at: 0,
            packed: Vec::new(),
            unpacked: Vec::new(),
            length: 0,
            tail: None,
        };
        frames.read_file_header()?;
        Ok(frames)
    }

    fn read_file_header(&mut self) -> Result<(), Damage> {
        let mut header = [0; HEADER_BYTES];
        let (named, checksum) = header.split_at_mut(NAMED_BYTES);
        let filled = fill(&mut self.input, named).map_err(|error| self.io(error))?;
        let (magic, version) = named.split_at(MAGIC.len());
        let begun = filled.min(MAGIC.len());
        if magic.get(..begun) != MAGIC.get(..begun) {
            return Err(Damage::NotAHistory {
                file: self.file.clone(),
            });
        }
        if filled < NAMED_BYTES {
            self.tail = Some(Tail::CutOff { at: 0 });
            return Ok(());
        }
        let version = version
            .iter()
            .rev()
            .fold(0, |value, byte| (value << 8) | u16::from(*byte));
        let filled = fill(&mut self.input, checksum).map_err(|error| self.io(error))?;
        if filled < checksum.len() {
            self.tail = Some(Tail::CutOff { at: 0 });
            return Ok(());
        }
        if *checksum != crc32fast::hash(named).to_le_bytes() {
            return Err(self.damaged("the header of the file is not what was written"));
        }
        if version != VERSION {
            return Err(Damage::OtherVersion {
                file: self.file.clone(),
                found: version,
            });
        }
        self.next_at = HEADER_BYTES as u64;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Where the next frame begins: how much has been read.
    pub(crate) fn next_at(&self) -> u64 {
        self.next_at
    }

    /// How the file ended; none while there is more to read.
    pub(crate) fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The payload of the current frame.
    #[inline]
    pub(crate) fn frame(&self) -> &[u8] {
        self.unpacked.get(..self.length).unwrap_or_default()
    }

    /// An error that names the current frame.
    pub(crate) fn damaged(&self, what: &'static str) -> Damage {
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

    /// Reads the next frame and says how many events it announces; none at the
    /// end.
    pub(crate) fn advance(&mut self) -> Result<Option<u32>, Damage> {
        self.length = 0;
        if self.tail.is_some() {
            return Ok(None);
        }
        self.at = self.next_at;
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let filled = fill(&mut self.input, &mut bytes).map_err(|error| self.io(error))?;
        if filled < FRAME_HEADER_BYTES {
            self.tail = Some(match filled {
                0 => Tail::Whole,
                _ => Tail::CutOff { at: self.at },
            });
            return Ok(None);
        }
        let Some(header) = FrameHeader::from_bytes(&bytes, self.at) else {
            return Err(self.damaged("the checksum of a frame's header is wrong"));
        };
        let (packed, unpacked) = (header.packed as usize, header.unpacked as usize);
        if packed > FRAME_BYTES_MAX || unpacked > FRAME_BYTES_MAX {
            return Err(self.damaged("a frame is larger than any that is written"));
        }
        let payload = room(&mut self.packed, packed);
        let filled = fill(&mut self.input, payload);
        if filled.map_err(|error| self.io(error))? < packed {
            self.tail = Some(Tail::CutOff { at: self.at });
            return Ok(None);
        }
        let payload = room(&mut self.packed, packed);
        if crc32fast::hash(payload) != header.checksum {
            return Err(self.damaged("the checksum of a frame is wrong"));
        }
        let into = room(&mut self.unpacked, unpacked);
        let made = lz4_flex::block::decompress_into(payload, into);
        if made.ok() != Some(unpacked) {
            return Err(self.damaged("a frame does not decompress to its length"));
        }
        self.length = unpacked;
        self.next_at += (FRAME_HEADER_BYTES + packed) as u64;
        Ok(Some(header.events))
    }
}

/// Where the bytes come from: nearly always a file.
struct Input(Box<dyn Read + Send>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The first `length` bytes of a buffer that only ever grows.
fn room(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    buffer.get_mut(..length).unwrap_or_default()
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
