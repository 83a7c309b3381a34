//! A connection's byte stream: plain TCP today. TLS takes its place here, and
//! nothing else in the proxy sees a socket of a connection. Knows nothing of
//! what the bytes mean.

use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::BorrowedFd;

use bytes::BufMut as _;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Without waiting; pages change hands where they can.
const NOW: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// What came of taking bytes from a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// They cannot go this way now, and are to be read.
    NoWay,
    /// None are there, or there is no room for them.
    Nothing,
    /// This many.
    Bytes(usize),
    /// Nothing follows.
    End,
}

/// Both ways are used at once through a shared reference, without waiting: a
/// holder of a link's gate must not wait.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
}

/// Also if it is written as an IPv6 address.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl Stream {
    /// Takes a TCP connection.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        // It fails only on a socket that is gone already.
        let _ = stream.set_nodelay(true);
        if stream.peer_addr().is_ok_and(|it| is_loopback(it.ip())) {
            // There is nothing to probe on the way to the same machine, and an
            // algorithm that paces, such as BBR, where it is the system's choice,
            // costs timers, wakes and waiting on each hop. Every Linux has this
            // one and lets every user choose it. Without it all works too.
            let _ = SockRef::from(&stream).set_tcp_congestion(b"reno");
        }
        Self::Plain(stream)
    }

    /// Appends what there is, as far as there is capacity and up to so many
    /// bytes; `None` when there is nothing yet, 0 at the end.
    pub(crate) fn read_now(&self, into: &mut Vec<u8>, most: usize) -> io::Result<Option<usize>> {
        let Self::Plain(stream) = self;
        let room = into.capacity() - into.len();
        match stream.try_read_buf(&mut into.limit(most.min(room))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what fits, be it nothing.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let Self::Plain(stream) = self;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            outcome => outcome,
        }
    }

    /// Moves what there is into a pipe, up to so many bytes, without its entering
    /// this process. The caller says whether the pipe is empty: the system does not tell
    /// that a pipe has no room from that nothing has come, and who took the one
    /// for the other would wait for news of bytes that are there already.
    pub(crate) fn splice_to(
        &self,
        pipe: BorrowedFd<'_>,
        is_empty: bool,
        most: usize,
    ) -> io::Result<Filled> {
        let Self::Plain(stream) = self;
        let splicing = || match splice(stream, None, pipe, None, most, NOW) {
            Ok(0) => Ok(Filled::End),
            Ok(bytes) => Ok(Filled::Bytes(bytes)),
            Err(Errno::AGAIN) if !is_empty => Ok(Filled::Nothing),
            // A sandbox may know nothing of it, or forbid it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => Ok(Filled::NoWay),
            Err(error) => Err(error.into()),
        };
        match stream.try_io(Interest::READABLE, splicing) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Nothing),
            outcome => outcome,
        }
    }

    /// Writes what fits of this many bytes from a pipe that holds them, be it
    /// nothing, without their entering this process.
    pub(crate) fn splice_from(&self, pipe: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
        let Self::Plain(stream) = self;
        let splicing = || Ok(splice(pipe, None, stream, None, bytes, NOW)?);
        match stream.try_io(Interest::WRITABLE, splicing) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            outcome => outcome,
        }
    }

    /// Returns when reading may give something: bytes, the end or a failure.
    pub(crate) async fn readable(&self) {
        let Self::Plain(stream) = self;
        // A failure shows itself in the next read, which knows what to make of it.
        let _ = stream.readable().await;
    }

    /// Returns when writing may take something.
    pub(crate) async fn writable(&self) {
        let Self::Plain(stream) = self;
        let _ = stream.writable().await;
    }

    /// Tells the other side that nothing follows.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let Self::Plain(stream) = self;
        SockRef::from(stream).shutdown(Shutdown::Write)
    }

    /// Makes the close that follows a reset, which also drops what the kernel
    /// still holds for the other side.
    pub(crate) fn reset(&self) {
        let Self::Plain(stream) = self;
        // It fails only on a socket that is gone already.
        let _ = stream.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_hop_within_the_machine_is_not_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let Stream::Plain(stream) = Stream::plain(client.unwrap());
        let algorithm = SockRef::from(&stream).tcp_congestion().unwrap();
        assert!(algorithm.starts_with(b"reno\0"), "{algorithm:?}");
    }

    #[test]
    fn the_loopback_interface_is_told_from_others_in_either_family() {
        for (address, is) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_loopback(address.parse().unwrap()), is, "{address}");
        }
    }
}
