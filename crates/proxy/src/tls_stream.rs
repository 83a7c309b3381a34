//! A connection's bytes within TLS: what is read has been decrypted, and what is written is
//! encrypted. Handshakes happen while bytes are read and written. Nothing is sent while
//! reading, so that a link that is cut answers nothing. Knows nothing of what the bytes mean.

use std::io::{self, BufRead as _, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};

use security::rustls::Connection;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Both ways are used at once through a shared reference, without waiting.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: Mutex<Session>,
    /// There is something to send, or what is written can be encrypted from now on. One way
    /// writes to a stream, and so one waits for it.
    news: Notify,
}

#[derive(Debug)]
struct Session {
    connection: Connection,
    /// Nothing follows what is to be sent.
    finished: bool,
}

/// The encrypted side, without waiting.
struct Socket<'s>(&'s TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Session {
    /// Hands out what has been decrypted; `None` when there is nothing, 0 at the end.
    fn take(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<Option<usize>> {
        let mut reader = self.connection.reader();
        match reader.fill_buf() {
            Ok(bytes) => {
                let bytes = &bytes[..bytes.len().min(most)];
                into.extend_from_slice(bytes);
                let taken = bytes.len();
                reader.consume(taken);
                Ok(Some(taken))
            }
            Err(error) if is_not_yet(&error) => Ok(None),
            // Not every client says goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Sends what is encrypted; whether all of it is on its way.
    fn flush(&mut self, tcp: &TcpStream) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(tcp)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if is_not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl TlsStream {
    /// TLS over a connection; the handshake is still to come.
    pub(crate) fn new(tcp: TcpStream, connection: impl Into<Connection>) -> Self {
        Self {
            tcp,
            session: Mutex::new(Session {
                connection: connection.into(),
                finished: false,
            }),
            news: Notify::new(),
        }
    }

    /// The values behind it are changed by calls that do not panic half-way.
    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`crate::stream::Stream::read_now`].
    pub(crate) fn read_now(&self, into: &mut Vec<u8>, most: usize) -> io::Result<Option<usize>> {
        let most = most.min(into.capacity() - into.len());
        let mut session = self.lock();
        loop {
            if let Some(taken) = session.take(into, most)? {
                return Ok(Some(taken));
            }
            match session.connection.read_tls(&mut Socket(&self.tcp)) {
                Ok(0) => return Ok(Some(0)),
                Ok(_) => {}
                Err(error) if is_not_yet(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            let was_handshaking = session.connection.is_handshaking();
            let processed = session.connection.process_new_packets();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if was_handshaking || session.connection.wants_write() {
                self.news.notify_one();
            }
        }
    }

    /// See [`crate::stream::Stream::write_now`].
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.lock();
        if !session.flush(&self.tcp)? || session.connection.is_handshaking() {
            return Ok(0);
        }
        let written = session.connection.writer().write(bytes)?;
        session.flush(&self.tcp)?;
        Ok(written)
    }

    /// Sends what is encrypted and could not be sent before, as far as it fits.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.lock().flush(&self.tcp).map(drop)
    }

    /// Returns when reading may give something.
    pub(crate) async fn readable(&self) {
        let has_some = {
            let mut session = self.lock();
            let found = session.connection.reader().fill_buf().map(drop);
            found.map_or_else(|error| !is_not_yet(&error), |()| true)
        };
        if !has_some {
            let _ = self.tcp.readable().await;
        }
    }

    /// Returns when there is something encrypted to send and room for it; where `wanted`,
    /// also when writing may take something.
    pub(crate) async fn writable(&self, wanted: bool) {
        loop {
            let is_due = {
                let session = self.lock();
                let connection = &session.connection;
                connection.wants_write() || (wanted && !connection.is_handshaking())
            };
            if is_due {
                let _ = self.tcp.writable().await;
                return;
            }
            self.news.notified().await;
        }
    }

    /// Tells the other side that nothing follows; whether that is said.
    pub(crate) fn finish(&self) -> io::Result<bool> {
        let mut session = self.lock();
        if !session.finished {
            session.finished = true;
            session.connection.send_close_notify();
        }
        if !session.flush(&self.tcp)? {
            return Ok(false);
        }
        SockRef::from(&self.tcp).shutdown(Shutdown::Write)?;
        Ok(true)
    }

    /// See [`crate::stream::Stream::reset`].
    pub(crate) fn reset(&self) {
        let _ = self.tcp.set_zero_linger();
    }
}
