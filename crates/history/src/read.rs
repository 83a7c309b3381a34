//! The reader: frames in, events out, and a clear word on how the file ends.

use std::io::Read;
use std::path::Path;

use model::event::Event;

use crate::damage::{Damage, Tail};
use crate::decode;
use crate::delta::Delta;
use crate::frames::Frames;

/// Reads a history, event by event, one frame in memory at a time.
#[derive(Debug)]
pub struct Reader {
    frames: Frames,
    delta: Delta,
    position: usize,
    events_left: u32,
    frames_read: u64,
    failed: bool,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadProgress {
    /// Frames, with the one that is being read.
    pub frames: u64,
    /// Bytes of the file, up to the end of that frame.
    pub bytes: u64,
}

impl Reader {
    /// Opens a history.
    ///
    /// # Errors
    /// When it is not a history, of another version, or unreadable.
    pub fn open(path: &Path) -> Result<Self, Damage> {
        Ok(Self::over(Frames::open(path)?))
    }

    /// Reads a history from wherever its bytes come from; `name` stands for
    /// the file in errors.
    ///
    /// # Errors
    /// When it is not a history, of another version, or unreadable.
    pub fn new(name: &Path, input: impl Read + Send + 'static) -> Result<Self, Damage> {
        Ok(Self::over(Frames::new(name, input)?))
    }

    fn over(frames: Frames) -> Self {
        Self {
            frames,
            delta: Delta::new(),
            position: 0,
            events_left: 0,
            frames_read: 0,
            failed: false,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.frames.path()
    }

    /// How the file ended; none while there is more to read.
    pub fn tail(&self) -> Option<Tail> {
        self.frames.tail()
    }

    /// How much was read so far.
    pub fn progress(&self) -> ReadProgress {
        ReadProgress {
            frames: self.frames_read,
            bytes: self.frames.next_at(),
        }
    }

    /// Goes to the next frame that has an event; false at the end.
    fn next_frame(&mut self) -> Result<bool, Damage> {
        while self.events_left == 0 {
            if self.position < self.frames.frame().len() {
                return Err(self.frames.damaged("a frame holds more than its events"));
            }
            let Some(events) = self.frames.advance()? else {
                return Ok(false);
            };
            self.delta.reset();
            self.position = 0;
            self.events_left = events;
            self.frames_read += 1;
        }
        Ok(true)
    }

    #[inline]
    fn next_event(&mut self) -> Result<Option<Event>, Damage> {
        if self.events_left == 0 && !self.next_frame()? {
            return Ok(None);
        }
        let frame = self.frames.frame();
        let bytes = frame.get(self.position..).unwrap_or_default();
        let Ok((mut event, rest)) = decode::event(bytes) else {
            return Err(self.frames.damaged("a frame holds what is no event"));
        };
        self.position = frame.len() - rest.len();
        self.events_left -= 1;
        self.delta.decode(&mut event);
        Ok(Some(event))
    }
}

impl Iterator for Reader {
    type Item = Result<Event, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_event().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
