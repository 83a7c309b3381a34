//! A connection's byte stream, plain TCP or TLS; nothing else in the proxy sees a
//! socket of a connection. Knows nothing of what the bytes mean.

use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::BorrowedFd;

use bytes::BufMut as _;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use security::rustls::Connection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::tls_stream::TlsStream;

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
    Tls(Box<TlsStream>),
}

/// Also if it is written as an IPv6 address.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn prepare(stream: &TcpStream) {
    // It fails only on a socket that is gone already.
    let _ = stream.set_nodelay(true);
    if stream.peer_addr().is_ok_and(|it| is_loopback(it.ip())) {
        // There is nothing to probe on the way to the same machine, and an
        // algorithm that paces, such as BBR, where it is the system's choice,
        // costs timers, wakes and waiting on each hop. Every Linux has this
        // one and lets every user choose it. Without it all works too.
        let _ = SockRef::from(stream).set_tcp_congestion(b"reno");
    }
}

impl Stream {
    /// Takes a TCP connection.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        prepare(&stream);
        Self::Plain(stream)
    }

    /// Takes a TCP connection on which TLS is spoken.
    pub(crate) fn tls(stream: TcpStream, connection: impl Into<Connection>) -> Self {
        prepare(&stream);
        Self::Tls(Box::new(TlsStream::new(stream, connection)))
    }

    /// Whether bytes can go through it without entering this process.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Appends what there is, as far as there is capacity and up to so many
    /// bytes; `None` when there is nothing yet, 0 at the end.
    pub(crate) fn read_now(&self, into: &mut Vec<u8>, most: usize) -> io::Result<Option<usize>> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return stream.read_now(into, most),
        };
        let room = into.capacity() - into.len();
        match stream.try_read_buf(&mut into.limit(most.min(room))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what fits, be it nothing.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return stream.write_now(bytes),
        };
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
        let Self::Plain(stream) = self else {
            return Ok(Filled::NoWay);
        };
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
        let Self::Plain(stream) = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let splicing = || Ok(splice(pipe, None, stream, None, bytes, NOW)?);
        match stream.try_io(Interest::WRITABLE, splicing) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            outcome => outcome,
        }
    }

    /// Returns when reading may give something: bytes, the end or a failure.
    pub(crate) async fn readable(&self) {
        match self {
            // A failure shows itself in the next read, which knows what to make of it.
            Self::Plain(stream) => drop(stream.readable().await),
            Self::Tls(stream) => stream.readable().await,
        }
    }

    /// Returns when writing may take something, where that is wanted, and when there is
    /// something to flush.
    pub(crate) async fn writable(&self, wanted: bool) {
        match self {
            Self::Plain(stream) if wanted => drop(stream.writable().await),
            Self::Plain(_) => std::future::pending().await,
            Self::Tls(stream) => stream.writable(wanted).await,
        }
    }

    /// Sends what was taken and could not be sent at once, as far as it fits.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }

    /// Tells the other side that nothing follows; whether that is on its way.
    pub(crate) fn finish(&self) -> io::Result<bool> {
        match self {
            Self::Plain(stream) => SockRef::from(stream)
                .shutdown(Shutdown::Write)
                .map(|()| true),
            Self::Tls(stream) => stream.finish(),
        }
    }

    /// Makes the close that follows a reset, which also drops what the kernel
    /// still holds for the other side.
    pub(crate) fn reset(&self) {
        match self {
            // It fails only on a socket that is gone already.
            Self::Plain(stream) => drop(stream.set_zero_linger()),
            Self::Tls(stream) => stream.reset(),
        }
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
        let Stream::Plain(stream) = Stream::plain(client.unwrap()) else {
            unreachable!("it is plain");
        };
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
