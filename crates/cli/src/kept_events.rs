//! The events of a recording in the form of a history, from its second reading on:
//! reading them again costs a fifth of what reading another tool's lines does. Knows
//! nothing of their meaning.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use history::{Damage, Reader, Recorder, Tail};
use model::event::Event;

/// How many there were so far, for names.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A file that is gone when this goes. A failure to write it is none of the user's: the
/// recording itself can be read again.
#[derive(Debug)]
pub(crate) struct KeptEvents {
    path: PathBuf,
    /// None once the file cannot be written, or is complete.
    recorder: Option<Recorder>,
    is_whole: bool,
}

impl KeptEvents {
    /// Begins with none.
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ackproof-{}-{number}.events", std::process::id());
        let path = std::env::temp_dir().join(name);
        Self {
            recorder: Recorder::create(&path).ok(),
            path,
            is_whole: false,
        }
    }

    /// Adds an event.
    pub(crate) fn keep(&mut self, event: &Event) {
        let recorder = self.recorder.as_mut();
        if recorder.is_some_and(|recorder| recorder.record(event).is_err()) {
            self.recorder = None;
        }
    }

    /// These were all. Whether the file has them.
    pub(crate) fn complete(&mut self) -> bool {
        let recorder = self.recorder.take();
        self.is_whole = recorder.is_some_and(|mut recorder| recorder.flush().is_ok());
        self.is_whole
    }

    /// Shows every event, in order.
    ///
    /// # Errors
    /// When the file is not as it was written.
    pub(crate) fn show(&self, mut sink: impl FnMut(&Event)) -> Result<(), Damage> {
        debug_assert!(self.is_whole, "events that are not all there");
        let mut events = Reader::open(&self.path)?.prefetch()?;
        for event in events.by_ref() {
            sink(&event?);
        }
        match events.tail() {
            Some(Tail::Whole) => Ok(()),
            _ => Err(Damage::Io {
                file: self.path.clone(),
                source: std::io::Error::other("it ends early"),
            }),
        }
    }
}

impl Drop for KeptEvents {
    fn drop(&mut self) {
        // The system clears its own directory.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use model::event::Body;
    use model::ids::Micros;

    use super::*;

    #[test]
    fn events_come_back_in_order_and_the_file_goes() {
        let event = |at| Event {
            at: Micros::new(at),
            body: Body::TrafficEnded,
        };
        let events: Vec<Event> = [3, 1, 2].map(event).into();
        let mut kept = KeptEvents::new();
        for event in &events {
            kept.keep(event);
        }
        assert!(kept.complete());
        for _ in 0..2 {
            let mut shown = Vec::new();
            kept.show(|event| shown.push(event.clone())).unwrap();
            assert_eq!(shown, events);
        }
        let path = kept.path.clone();
        assert!(path.exists());
        drop(kept);
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_written_is_not_kept() {
        let mut kept = KeptEvents::new();
        kept.recorder = None;
        assert!(!kept.complete());
    }
}
