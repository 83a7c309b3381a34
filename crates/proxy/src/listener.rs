//! A listening socket that can refuse connections for a while and keep its
//! port. Knows nothing of connections once they are accepted.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// As long a backlog as the system allows.
const BACKLOG: i32 = 4096;

/// Listens, and keeps a second handle to the socket for changes.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) accepting: StdListener,
    pub(crate) control: Control,
    address: SocketAddr,
}

/// The handle that refuses, listens again, and empties the backlog.
#[derive(Debug)]
pub(crate) struct Control(StdListener);

impl Listener {
    /// Listens; port 0 is any.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        // The system gives up a port that it chose itself as soon as a socket
        // listens no more; one that was asked for by number stays.
        let chosen = socket(address)?;
        let address = local(&chosen)?;
        let listener = socket(address)?;
        drop(chosen);
        listener.listen(BACKLOG)?;
        let control = listener.try_clone()?;
        Ok(Self {
            accepting: listener.into(),
            control: Control(control.into()),
            address,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Lets the system take connections, also after it refused them.
pub(crate) fn listen(socket: &StdListener) -> io::Result<()> {
    SockRef::from(socket).listen(BACKLOG)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn local(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?.as_socket();
    address.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl Control {
    /// From now on the system refuses connections. Those in the backlog are
    /// reset.
    pub(crate) fn refuse(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Both)
    }

    /// Resets the connections that the system has established and that are not
    /// accepted yet; says how many.
    pub(crate) fn empty(&self) -> usize {
        let mut emptied = 0;
        while let Ok((client, _)) = self.0.accept() {
            let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            emptied += 1;
        }
        emptied
    }
}
