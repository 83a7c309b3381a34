//! Reading ahead: a thread reads, checks, decompresses and decodes, and gives
//! events away by the batch. At most a few batches are under way, so memory is
//! bounded however slow the taker is. Knows nothing of frames.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use model::event::Event;

use crate::damage::{Damage, Tail};
use crate::read::Reader;

/// Enough that handing over costs nothing, few enough to stay in the cache.
const BATCH_EVENTS: usize = 1024;
/// How many full batches may wait.
const BATCHES: usize = 4;

/// A [`Reader`] at work in a thread, which ends with this.
#[derive(Debug)]
pub struct Prefetch {
    file: PathBuf,
    batch: VecDeque<Event>,
    /// The end that follows the batch; none while it is unknown.
    end: Option<Result<Option<Tail>, Damage>>,
    tail: Option<Tail>,
    ended: bool,
    // Gone once the thread is to end.
    link: Option<Link>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Link {
    full: Receiver<Batch>,
    emptied: Sender<VecDeque<Event>>,
}

struct Batch {
    events: VecDeque<Event>,
    /// With the last batch, how the history ended.
    end: Option<Result<Option<Tail>, Damage>>,
}

impl Reader {
    /// Reads ahead in a thread of its own, so that two cores share the work.
    /// Events, errors and the end are the same, in the same order.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn prefetch(self) -> Result<Prefetch, Damage> {
        Prefetch::start(self)
    }
}

impl Prefetch {
    fn start(reader: Reader) -> Result<Self, Damage> {
        let file = reader.path().to_owned();
        let (to_taker, full) = sync_channel(BATCHES);
        let (emptied, to_refill) = channel();
        let thread = thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || work(reader, &to_taker, &to_refill))
            .map_err(|source| Damage::Io {
                file: file.clone(),
                source,
            })?;
        Ok(Self {
            file,
            batch: VecDeque::new(),
            end: None,
            tail: None,
            ended: false,
            link: Some(Link { full, emptied }),
            thread: Some(thread),
        })
    }

    /// How the file ended; none while there is more to read.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The next batch, or the end.
    fn next_batch(&mut self) -> Option<Result<Event, Damage>> {
        while !self.ended {
            if let Some(end) = self.end.take() {
                self.ended = true;
                self.link = None;
                match end {
                    Ok(tail) => self.tail = tail,
                    Err(damage) => return Some(Err(damage)),
                }
                break;
            }
            let received = self.link.as_ref().map(|link| link.full.recv());
            let Some(Ok(batch)) = received else {
                // Without an announced end the history is not whole.
                self.end = Some(Err(Damage::Io {
                    file: self.file.clone(),
                    source: io::Error::other("the thread that reads it has ended early"),
                }));
                continue;
            };
            let empty = std::mem::replace(&mut self.batch, batch.events);
            self.end = batch.end;
            if let Some(link) = &self.link {
                // A thread that has ended needs no more of them.
                let _ = link.emptied.send(empty);
            }
            if let Some(event) = self.batch.pop_front() {
                return Some(Ok(event));
            }
        }
        None
    }
}

impl Iterator for Prefetch {
    type Item = Result<Event, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.batch.pop_front() {
            Some(event) => Some(Ok(event)),
            None => self.next_batch(),
        }
    }
}

impl Drop for Prefetch {
    /// Without the link the thread's next word fails, and it ends.
    fn drop(&mut self) {
        self.link = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut reader: Reader, to_taker: &SyncSender<Batch>, to_refill: &Receiver<VecDeque<Event>>) {
    loop {
        let mut events = to_refill
            .try_recv()
            .unwrap_or_else(|_| VecDeque::with_capacity(BATCH_EVENTS));
        let mut end = None;
        while events.len() < BATCH_EVENTS && end.is_none() {
            match reader.next() {
                Some(Ok(event)) => events.push_back(event),
                Some(Err(damage)) => end = Some(Err(damage)),
                None => end = Some(Ok(reader.tail())),
            }
        }
        let last = end.is_some();
        if to_taker.send(Batch { events, end }).is_err() || last {
            return;
        }
    }
}
