//! The recorder: events in, frames out, as the run goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use model::event::Event;

use crate::delta::Delta;
use crate::layout::{EVENT_BYTES_MAX, FRAME_BYTES, FRAME_HEADER_BYTES, FrameHeader, file_header};

/// Writes a history. Events are on disk after [`Recorder::flush`], and in any
/// case whenever a frame is full.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    /// Where the next frame goes.
    at: u64,
    delta: Delta,
    frame: Vec<u8>,
    events: u32,
    framed: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// A frame could not be written: nothing may come after half of one.
    Broken,
}

impl Recorder {
    /// Begins a new history.
    ///
    /// # Errors
    /// When the file exists, or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let header = file_header();
        file.write_all(&header)?;
        Ok(Self {
            file,
            at: header.len() as u64,
            delta: Delta::new(),
            frame: Vec::with_capacity(FRAME_BYTES + 4096),
            events: 0,
            framed: Vec::new(),
            state: State::Sound,
        })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When the event is larger than a frame may be, which leaves it out. When
    /// a full frame cannot be written, a full disk for example: the frames
    /// before it stay readable, and nothing more is recorded.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        let mut encoded = event.clone();
        self.delta.encode(&mut encoded);
        let before = self.frame.len();
        let frame = std::mem::take(&mut self.frame);
        self.frame = postcard::to_extend(&encoded, frame).map_err(io::Error::other)?;
        if self.frame.len() - before > EVENT_BYTES_MAX {
            // The next event is told from the one before this: a new frame.
            self.frame.truncate(before);
            self.flush()?;
            self.delta.reset();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an event is larger than a history can hold",
            ));
        }
        self.events += 1;
        if self.frame.len() >= FRAME_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the frame begun, if any, to the file. It then survives the end of this
    /// process, however it ends.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.state == State::Broken {
            return Err(io::Error::other("the history could not be written before"));
        }
        if self.events == 0 {
            return Ok(());
        }
        let written = self.pack().and_then(|()| self.file.write_all(&self.framed));
        if let Err(error) = written {
            self.state = State::Broken;
            // Half a frame is told from a whole one; none is better still.
            let _ = self.file.set_len(self.at);
            return Err(error);
        }
        self.at += self.framed.len() as u64;
        self.frame.clear();
        self.delta.reset();
        self.events = 0;
        Ok(())
    }

    /// Makes the bytes of a frame out of the events so far.
    fn pack(&mut self) -> io::Result<()> {
        let most = lz4_flex::block::get_maximum_output_size(self.frame.len());
        self.framed.resize(FRAME_HEADER_BYTES + most, 0);
        let (header, payload) = self.framed.split_at_mut(FRAME_HEADER_BYTES);
        let packed =
            lz4_flex::block::compress_into(&self.frame, payload).map_err(io::Error::other)?;
        let payload = payload.get(..packed).unwrap_or_default();
        let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
        let described = FrameHeader {
            packed: length(packed)?,
            unpacked: length(self.frame.len())?,
            events: self.events,
            checksum: crc32fast::hash(payload),
        };
        header.copy_from_slice(&described.to_bytes(self.at));
        self.framed.truncate(FRAME_HEADER_BYTES + packed);
        Ok(())
    }

    /// Waits until everything is on the disk itself, where it survives the end
    /// of the machine too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }
}

impl Drop for Recorder {
    /// The last events of a run that failed are worth keeping; an error here
    /// leaves a history that is readable up to its last whole frame.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use model::event::Body;
    use model::ids::Micros;

    use super::*;
    use crate::Reader;

    #[test]
    fn nothing_is_written_behind_a_frame_that_could_not_be() {
        let event = |at| Event {
            at: Micros::new(at),
            body: Body::TrafficEnded,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.record(&event(1)).unwrap();
        recorder.flush().unwrap();

        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut recorder.file, full);
        recorder.record(&event(2)).unwrap();
        assert!(recorder.flush().is_err());

        // There is room again, and it is too late.
        recorder.file = disk;
        assert!(
            recorder
                .record(&event(3))
                .and_then(|()| recorder.flush())
                .is_err()
        );
        drop(recorder);
        let found: Vec<Event> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, [event(1)]);
    }
}
