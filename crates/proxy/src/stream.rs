//! A connection's byte stream: plain TCP today. TLS takes its place here, and
//! nothing else in the proxy sees a socket of a connection. Knows nothing of
//! what the bytes mean.

use std::io;
use std::net::Shutdown;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Both ways are used at once through a shared reference, without waiting:
/// whoever holds the gate of a link must not.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
}

impl Stream {
    /// Takes a TCP connection.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        // It fails only on a socket that is gone already.
        let _ = stream.set_nodelay(true);
        Self::Plain(stream)
    }

    /// Appends what there is, as far as there is capacity; `None` when there is
    /// nothing yet, 0 at the end.
    pub(crate) fn read_now(&self, into: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let Self::Plain(stream) = self;
        match stream.try_read_buf(into) {
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
