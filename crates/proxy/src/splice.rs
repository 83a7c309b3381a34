//! A pipe between two sockets, through which bytes go without entering this
//! process's memory. Knows nothing of what the bytes mean, nor of which may go
//! like that.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::stream::{Filled, Stream};

/// The most that a pipe is given to hold. The system may make it smaller.
const PIPE_BYTES: usize = 256 * 1024;

/// The most pipes at once. A connection whose receiver keeps up needs one for
/// moments only, so that few do for many; each takes two descriptors, which are
/// better spent on connections. Where none is free, bytes are copied.
const PIPES_MAX: usize = 16;

static PIPES: Pipes = Pipes::new(PIPES_MAX);

/// The pipes of a process. An idle connection holds none.
#[derive(Debug)]
struct Pipes {
    most: usize,
    stock: Mutex<Stock>,
}

#[derive(Debug)]
struct Stock {
    /// Empty pipes that no connection holds.
    spare: Vec<Pipe>,
    /// All that there are.
    open: usize,
}

#[derive(Debug)]
struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one only makes more calls of the same work.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        Ok(Self {
            reader: reader.into(),
            writer: writer.into(),
        })
    }
}

impl Pipes {
    const fn new(most: usize) -> Self {
        Self {
            most,
            stock: Mutex::new(Stock {
                spare: Vec::new(),
                open: 0,
            }),
        }
    }

    /// A panic elsewhere cannot have left the stock half-changed.
    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty one, if there is one to have.
    fn take(&self) -> Option<Pipe> {
        let mut stock = self.lock();
        if let Some(pipe) = stock.spare.pop() {
            return Some(pipe);
        }
        if stock.open >= self.most {
            return None;
        }
        let pipe = Pipe::new().ok()?;
        stock.open += 1;
        Some(pipe)
    }

    /// Takes an empty one back.
    fn give_back(&self, pipe: Pipe) {
        self.lock().spare.push(pipe);
    }

    /// Does away with one, and with what is in it.
    fn close(&self, pipe: Pipe) {
        drop(pipe);
        self.lock().open -= 1;
    }
}

/// Bytes on their way from one socket to another, in a pipe while there are any.
#[derive(Debug)]
pub(crate) struct Splice {
    pipes: &'static Pipes,
    pipe: Option<Pipe>,
    /// In the pipe.
    held: usize,
}

impl Default for Splice {
    fn default() -> Self {
        Self::with(&PIPES)
    }
}

impl Splice {
    fn with(pipes: &'static Pipes) -> Self {
        Self {
            pipes,
            pipe: None,
            held: 0,
        }
    }

    /// How many bytes are in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// How many more it is given.
    pub(crate) fn room(&self) -> usize {
        PIPE_BYTES - self.held
    }

    /// Puts bytes that were read behind those in it; says how many fit.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(self.room())];
        let Some(pipe) = have(&mut self.pipe, self.pipes) else {
            return 0;
        };
        let pushed = (&pipe.writer).write(bytes).unwrap_or(0);
        self.held += pushed;
        pushed
    }

    /// Takes what a sender has said, up to so many bytes, of which there are
    /// some to take.
    pub(crate) fn fill(&mut self, from: &Stream, most: usize) -> io::Result<Filled> {
        let most = most.min(self.room());
        if most == 0 {
            return Ok(Filled::Nothing);
        }
        let Some(pipe) = have(&mut self.pipe, self.pipes) else {
            return Ok(Filled::NoWay);
        };
        let filled = from.splice_to(pipe.writer.as_fd(), self.held == 0, most)?;
        if let Filled::Bytes(bytes) = filled {
            self.held += bytes;
        }
        Ok(filled)
    }

    /// Passes on what a receiver takes, be it nothing; says how much.
    pub(crate) fn pour(&mut self, to: &Stream) -> io::Result<usize> {
        let Some(pipe) = self.pipe.as_ref().filter(|_| self.held > 0) else {
            return Ok(0);
        };
        let poured = to.splice_from(pipe.reader.as_fd(), self.held)?;
        self.held -= poured;
        Ok(poured)
    }

    /// Takes out what is in it.
    pub(crate) fn take_back(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held];
        if let Some(pipe) = &self.pipe {
            (&pipe.reader).read_exact(&mut bytes)?;
        }
        self.held = 0;
        Ok(bytes)
    }

    /// Forgets what is in it, and says how much that was.
    pub(crate) fn discard(&mut self) -> usize {
        let held = std::mem::take(&mut self.held);
        // Nothing is to be read of what it held.
        if held > 0
            && let Some(pipe) = self.pipe.take()
        {
            self.pipes.close(pipe);
        }
        self.rest();
        held
    }

    /// Lets others have the pipe, if it is empty: nothing comes for a while.
    pub(crate) fn rest(&mut self) {
        if self.held == 0
            && let Some(pipe) = self.pipe.take()
        {
            self.pipes.give_back(pipe);
        }
    }
}

/// The pipe, which is taken now if it was not before.
fn have<'a>(pipe: &'a mut Option<Pipe>, pipes: &Pipes) -> Option<&'a Pipe> {
    if pipe.is_none() {
        *pipe = pipes.take();
    }
    pipe.as_ref()
}

impl Drop for Splice {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Far above what any step takes; only a hang reaches it.
    const HANG: Duration = Duration::from_secs(20);

    /// A sender, the pipe's two ends, and a receiver.
    struct Site {
        sender: TcpStream,
        from: Stream,
        to: Stream,
        receiver: TcpStream,
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (one, listener.accept().await.unwrap().0)
    }

    impl Site {
        async fn new() -> Self {
            let (sender, from) = pair().await;
            let (to, receiver) = pair().await;
            Self {
                sender,
                from: Stream::plain(from),
                to: Stream::plain(to),
                receiver,
            }
        }

        /// Sends these, and lets the pipe have all of them.
        async fn send(&mut self, splice: &mut Splice, bytes: &[u8]) {
            let filling = async {
                self.sender.write_all(bytes).await.unwrap();
                let mut filled = 0;
                while filled < bytes.len() {
                    self.from.readable().await;
                    match splice.fill(&self.from, bytes.len() - filled).unwrap() {
                        Filled::Nothing => tokio::task::yield_now().await,
                        Filled::Bytes(more) => filled += more,
                        other => panic!("{other:?}"),
                    }
                }
            };
            timeout(HANG, filling).await.unwrap();
        }

        async fn receive(&mut self, bytes: usize) -> Vec<u8> {
            let mut received = vec![0; bytes];
            let receiving = self.receiver.read_exact(&mut received);
            timeout(HANG, receiving).await.unwrap().unwrap();
            received
        }
    }

    fn numbered(bytes: usize) -> Vec<u8> {
        (0..=250).cycle().take(bytes).collect()
    }

    #[tokio::test]
    async fn bytes_pass_in_order_and_are_counted() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        assert_eq!(splice.push(b"read before, "), 13);
        site.send(&mut splice, b"passed").await;
        assert_eq!(splice.held(), 19);
        assert_eq!(splice.room(), PIPE_BYTES - 19);
        assert_eq!(splice.pour(&site.to).unwrap(), 19);
        assert_eq!(site.receive(19).await, b"read before, passed");
        assert_eq!((splice.held(), splice.pour(&site.to).unwrap()), (0, 0));
    }

    #[tokio::test]
    async fn no_more_is_taken_than_may_be() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        site.sender.write_all(b"mine, yours").await.unwrap();
        site.from.readable().await;
        let filled = splice.fill(&site.from, 4).unwrap();
        assert_eq!(filled, Filled::Bytes(4));
        let mut rest = Vec::with_capacity(100);
        assert_eq!(site.from.read_now(&mut rest, 100).unwrap(), Some(7));
        assert_eq!(rest, b", yours");
    }

    #[tokio::test]
    async fn what_a_slow_receiver_does_not_take_stays_and_follows_in_order() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        let all = numbered(PIPE_BYTES / 2);
        let mut poured = 0;
        let mut sent = 0;
        while splice.held() == 0 {
            site.send(&mut splice, &all).await;
            sent += all.len();
            poured += splice.pour(&site.to).unwrap();
        }
        assert_eq!(poured + splice.held(), sent);
        let mut received = Vec::new();
        while received.len() < sent {
            received.extend(site.receive(poured - received.len()).await);
            timeout(HANG, site.to.writable(true)).await.unwrap();
            assert!(splice.held() > 0 || poured == sent, "bytes are lost");
            poured += splice.pour(&site.to).unwrap();
        }
        assert_eq!(received, all.repeat(sent / all.len()));
    }

    #[tokio::test]
    async fn what_is_taken_back_comes_before_what_follows() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        let first = numbered(100_000);
        site.send(&mut splice, &first).await;
        assert_eq!(splice.take_back().unwrap(), first);
        assert_eq!((splice.held(), splice.take_back().unwrap().len()), (0, 0));
        site.send(&mut splice, b"second").await;
        assert_eq!(splice.pour(&site.to).unwrap(), 6);
        assert_eq!(site.receive(6).await, b"second");
    }

    #[tokio::test]
    async fn what_is_discarded_is_counted_and_never_seen_again() {
        static PIPES: Pipes = Pipes::new(1);
        let mut site = Site::new().await;
        let mut splice = Splice::with(&PIPES);
        site.send(&mut splice, b"swallowed").await;
        assert_eq!((splice.discard(), splice.held()), (9, 0));
        assert_eq!(PIPES.lock().open, 0);
        site.send(&mut splice, b"passed").await;
        assert_eq!(splice.pour(&site.to).unwrap(), 6);
        assert_eq!(site.receive(6).await, b"passed");
        site.send(&mut splice, b"dropped").await;
        drop(splice);
        assert_eq!(PIPES.lock().open, 0);
    }

    #[tokio::test]
    async fn an_end_and_a_reset_are_told_apart() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        site.sender.shutdown().await.unwrap();
        site.from.readable().await;
        assert_eq!(splice.fill(&site.from, 9).unwrap(), Filled::End);

        let site = Site::new().await;
        site.sender.set_zero_linger().unwrap();
        drop(site.sender);
        site.from.readable().await;
        let reset = splice.fill(&site.from, 9).unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Both look the same to the system's call.
    #[tokio::test]
    async fn a_full_pipe_is_not_taken_for_a_silent_sender() {
        let mut site = Site::new().await;
        let mut splice = Splice::default();
        let pipe = have(&mut splice.pipe, &PIPES).unwrap();
        let page = fcntl_setpipe_size(&pipe.writer, 1).unwrap();
        assert_eq!(splice.push(&numbered(2 * page)), page);
        site.sender.write_all(b"more").await.unwrap();
        site.from.readable().await;
        assert_eq!(splice.fill(&site.from, 4).unwrap(), Filled::Nothing);
        assert_eq!(splice.pour(&site.to).unwrap(), page);
        // The runtime would have to be told anew that there is something.
        assert_eq!(splice.fill(&site.from, 4).unwrap(), Filled::Bytes(4));
        splice.discard();
    }

    #[tokio::test]
    async fn what_has_room_for_nothing_is_not_at_its_end() {
        let site = Site::new().await;
        let mut splice = Splice::default();
        while splice.room() > 0 {
            let room = splice.room();
            assert!(splice.push(&numbered(room)) > 0);
        }
        assert_eq!(splice.fill(&site.from, 4).unwrap(), Filled::Nothing);
    }

    #[tokio::test]
    async fn who_has_no_pipe_waits_for_none_and_an_idle_one_has_none() {
        static PIPES: Pipes = Pipes::new(1);
        let mut site = Site::new().await;
        let (mut one, mut other) = (Splice::with(&PIPES), Splice::with(&PIPES));
        site.send(&mut one, b"one").await;
        assert_eq!(other.fill(&site.from, 9).unwrap(), Filled::NoWay);
        assert_eq!(other.push(b"other"), 0);
        // It holds something.
        one.rest();
        assert_eq!(other.fill(&site.from, 9).unwrap(), Filled::NoWay);
        assert_eq!(one.pour(&site.to).unwrap(), 3);
        one.rest();
        assert_eq!(other.push(b"other"), 5);
        assert_eq!(one.fill(&site.from, 9).unwrap(), Filled::NoWay);
        assert_eq!(PIPES.lock().open, 1);
        assert_eq!(other.pour(&site.to).unwrap(), 5);
        drop(other);
        assert_eq!(PIPES.lock().spare.len(), 1, "it is used again");
    }

    #[tokio::test]
    async fn where_the_system_does_not_splice_bytes_are_to_be_read() {
        let mut site = Site::new().await;
        let no_pipe = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
        let mut splice = Splice::default();
        splice.pipe = Some(Pipe {
            reader: no_pipe().into(),
            writer: no_pipe().into(),
        });
        site.sender.write_all(b"unspliced").await.unwrap();
        site.from.readable().await;
        assert_eq!(splice.fill(&site.from, 9).unwrap(), Filled::NoWay);
        let mut read = Vec::with_capacity(9);
        assert_eq!(site.from.read_now(&mut read, 9).unwrap(), Some(9));
        // It is none of the pool's.
        splice.pipe = None;
    }
}
