//! One connection through the proxy: bytes are carried while the link is open
//! and swallowed while it is cut; when the link heals, the connection is reset.
//! Knows nothing of who cuts and heals.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::link::{LinkState, LinkView, Never};
use crate::tally::{Direction, Totals};

/// How much is read at once, and the most that a connection holds of each way.
const CHUNK_BYTES: usize = 64 * 1024;

thread_local! {
    /// Shared by all connections of a thread, so that an idle one holds nothing.
    static CHUNK: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK_BYTES]);
}

/// A client's connection, as it was accepted.
pub(crate) struct Relay {
    pub(crate) client: TcpStream,
    pub(crate) upstream: SocketAddr,
    pub(crate) era: u64,
    pub(crate) link: LinkView,
    pub(crate) totals: Arc<Totals>,
    /// Dropped last: see [`crate::link::Era::presence`].
    pub(crate) presence: mpsc::Sender<Never>,
}

/// Why both ends are reset.
enum Reset {
    /// One end was reset or failed: the other shall see the same.
    Failed,
    /// The era of the connection is over.
    EraOver,
}

enum Step {
    Again,
    /// The reader's end is finished and that was passed on.
    Finished,
    /// The reader's end is finished and nobody shall know while the cut lasts.
    Hushed,
    Reset(Reset),
}

impl Relay {
    /// Carries the connection to its end.
    pub(crate) async fn run(mut self) {
        let upstream = self.dial().await;
        let ends = match &upstream {
            Ok(upstream) => {
                let to_upstream = self.carry(&self.client, upstream, Direction::ToUpstream);
                let to_client = self.carry(upstream, &self.client, Direction::ToClient);
                tokio::try_join!(to_upstream, to_client).map(|_| ())
            }
            Err(Undialled::Cut) => self.hold().await,
            Err(Undialled::Refused) => {
                self.totals.upstream_refused.add(1);
                Err(Reset::Failed)
            }
            Err(Undialled::EraOver) => Err(Reset::EraOver),
        };
        if ends.is_err() {
            reset(&self.client);
            if let Ok(upstream) = &upstream {
                reset(upstream);
            }
        }
        drop(upstream);
        self.totals.open.subtract_one();
        let Self {
            client, presence, ..
        } = self;
        drop(client);
        drop(presence);
    }

    async fn dial(&mut self) -> Result<TcpStream, Undialled> {
        let connecting = TcpStream::connect(self.upstream);
        tokio::pin!(connecting);
        loop {
            {
                let era = self.link.borrow_and_update();
                if era.number != self.era {
                    return Err(Undialled::EraOver);
                }
                if era.state.cut().is_some() {
                    return Err(Undialled::Cut);
                }
            }
            tokio::select! {
                changed = self.link.changed() => {
                    changed.map_err(|_| Undialled::EraOver)?;
                }
                connected = &mut connecting => {
                    let stream = connected.map_err(|_| Undialled::Refused)?;
                    stream.set_nodelay(true).map_err(|_| Undialled::Refused)?;
                    return Ok(stream);
                }
            }
        }
    }

    /// Swallows what a client says that has nobody to talk to.
    async fn hold(&self) -> Result<(), Reset> {
        self.carry(&self.client, &self.client, Direction::ToUpstream)
            .await
    }

    /// One way of the connection, until it is finished.
    async fn carry(
        &self,
        from: &TcpStream,
        to: &TcpStream,
        direction: Direction,
    ) -> Result<(), Reset> {
        let mut link = self.link.clone();
        let mut held: Vec<u8> = Vec::new();
        loop {
            match self.step(&mut link, from, to, &mut held, direction) {
                Step::Again => {}
                Step::Finished => return Ok(()),
                Step::Hushed => {
                    // Only the rest of the cut, or the end of the era, can follow.
                    link.changed().await.map_err(|_| Reset::EraOver)?;
                    continue;
                }
                Step::Reset(reset) => return Err(reset),
            }
            tokio::select! {
                changed = link.changed() => {
                    if changed.is_err() {
                        return Err(Reset::EraOver);
                    }
                }
                // A failure shows itself in the next step, which knows what
                // to make of it.
                _ = from.readable(), if held.is_empty() => {}
                _ = to.writable(), if !held.is_empty() => {}
            }
        }
    }

    /// What can be done without waiting, under the gate.
    fn step(
        &self,
        link: &mut LinkView,
        from: &TcpStream,
        to: &TcpStream,
        held: &mut Vec<u8>,
        direction: Direction,
    ) -> Step {
        let era = link.borrow_and_update();
        if era.number != self.era {
            return Step::Reset(Reset::EraOver);
        }
        match (&era.state, era.state.cut_for(direction)) {
            (LinkState::Stopped, _) => Step::Reset(Reset::EraOver),
            (_, None) => match deliver(from, to, held) {
                Ok(Progress::Delivered(bytes)) => {
                    self.totals.delivered.add(direction, bytes);
                    Step::Again
                }
                Ok(Progress::End) => match SockRef::from(to).shutdown(Shutdown::Write) {
                    Ok(()) => Step::Finished,
                    Err(_) => Step::Reset(Reset::Failed),
                },
                Err(_) => Step::Reset(Reset::Failed),
            },
            (_, Some(tally)) => {
                let mut swallowed = held.len();
                held.clear();
                let read = read_chunk(from, |chunk| swallowed += chunk.len());
                tally.swallowed.add(direction, swallowed);
                self.totals.swallowed.add(direction, swallowed);
                match read {
                    Ok(Some(0)) | Err(_) => Step::Hushed,
                    Ok(_) => Step::Again,
                }
            }
        }
    }
}

enum Undialled {
    Cut,
    Refused,
    EraOver,
}

enum Progress {
    Delivered(usize),
    End,
}

/// Writes what is held, else what can be read now; holds what does not fit.
fn deliver(from: &TcpStream, to: &TcpStream, held: &mut Vec<u8>) -> io::Result<Progress> {
    if !held.is_empty() {
        let written = write_now(to, held)?;
        held.drain(..written);
        return Ok(Progress::Delivered(written));
    }
    let mut written = Ok(0);
    let read = read_chunk(from, |chunk| {
        written = write_now(to, chunk);
        if let Ok(written) = written {
            held.extend_from_slice(&chunk[written..]);
        }
    })?;
    match read {
        Some(0) => Ok(Progress::End),
        Some(_) | None => written.map(Progress::Delivered),
    }
}

/// Reads once; `None` when there is nothing yet, 0 at the end.
fn read_chunk(from: &TcpStream, mut take: impl FnMut(&[u8])) -> io::Result<Option<usize>> {
    CHUNK.with_borrow_mut(|chunk| match from.try_read(chunk) {
        Ok(0) => Ok(Some(0)),
        Ok(bytes) => {
            take(&chunk[..bytes]);
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    })
}

fn write_now(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match to.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}

/// Makes the close that follows a reset, which also drops what the kernel still
/// holds for the other side.
fn reset(stream: &TcpStream) {
    // It fails only on a socket that is gone already.
    let _ = stream.set_zero_linger();
}
