//! The recorder: events in, frames out, as the run goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use model::event::Event;

use crate::{FRAME_BYTES, MAGIC, VERSION};

/// Writes a history. Events are on disk after [`Recorder::flush`], and in any
/// case whenever a frame is full.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    frame: Vec<u8>,
    events: u32,
}

impl Recorder {
    /// Begins a new history.
    ///
    /// # Errors
    /// When the file exists, or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        file.write_all(&header)?;
        Ok(Self {
            file,
            frame: Vec::with_capacity(FRAME_BYTES + 4096),
            events: 0,
        })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When a full frame cannot be written, a full disk for example. The
    /// frames before it stay readable.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        let frame = std::mem::take(&mut self.frame);
        self.frame = postcard::to_extend(event, frame).map_err(io::Error::other)?;
        self.events += 1;
        if self.frame.len() >= FRAME_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the frame begun, if any, to the file. What was written survives
    /// the end of this process, however it ends.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        let payload = lz4_flex::block::compress(&self.frame);
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        let mut framed = Vec::with_capacity(payload.len() + crate::FRAME_HEADER_BYTES);
        framed.extend(length(&payload)?.to_le_bytes());
        framed.extend(length(&self.frame)?.to_le_bytes());
        framed.extend(self.events.to_le_bytes());
        framed.extend(crc32fast::hash(&payload).to_le_bytes());
        let header_crc = crc32fast::hash(&framed);
        framed.extend(header_crc.to_le_bytes());
        framed.extend(payload);
        self.frame.clear();
        self.events = 0;
        self.file.write_all(&framed)
    }
}

impl Drop for Recorder {
    /// The last events of a run that failed are worth keeping; an error here
    /// leaves a history that is readable up to its last whole frame.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
