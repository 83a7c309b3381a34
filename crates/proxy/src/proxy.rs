//! The proxy's handle, its listener, and the cut. Knows nothing of the bytes
//! that pass.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::link::{Era, LinkState, LinkView, Never};
use crate::relay::Relay;
use crate::tally::{CutReport, CutTally, ProxyStats, Totals};

/// The most connections open at once; further ones wait in the listener's
/// backlog. Each takes two file descriptors, and up to 128 KiB while its
/// receivers do not keep up.
pub const CONNECTIONS_MAX: usize = 16 * 1024;

/// The pause after the system could not accept, as when file descriptors ran
/// out: the connection stays in the backlog, and asking at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why the proxy cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose a free port, or 0 for any")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The link is cut already.
    #[error("the link to {upstream} is cut already; heal that cut first")]
    AlreadyCut {
        /// Behind the proxy.
        upstream: SocketAddr,
    },
    /// The proxy was stopped.
    #[error("the proxy before {upstream} was stopped")]
    Stopped {
        /// Behind the proxy.
        upstream: SocketAddr,
    },
}

/// A running proxy; clones are handles to the same one. It ends with
/// [`Self::stop`], or when its last handle and its last [`Cut`] are dropped.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: SocketAddr,
    link: watch::Sender<Era>,
    totals: Arc<Totals>,
    /// The accepting task's socket, to empty the backlog without waiting. Taken
    /// when the proxy stops.
    backlog: Mutex<Option<StdListener>>,
    /// Hears when the last connection of the era, or of the proxy, is gone.
    gone: Mutex<Option<mpsc::Receiver<Never>>>,
    accepting: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Proxy {
    /// Listens on `listen`, whose port may be 0 for any, before `upstream`. The
    /// upstream need not be there yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ProxyError::Listen`].
    pub async fn start(listen: SocketAddr, upstream: SocketAddr) -> Result<Self, ProxyError> {
        let failed = |source| ProxyError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let backlog = SockRef::from(&listener).try_clone().map_err(failed)?;
        let (era, gone) = Era::first();
        let (link, view) = watch::channel(era);
        let totals = Arc::new(Totals::default());
        let accepting = tokio::spawn(accept(listener, upstream, view, Arc::clone(&totals)));
        Ok(Self {
            shared: Arc::new(Shared {
                address,
                upstream,
                link,
                totals,
                backlog: Mutex::new(Some(backlog.into())),
                gone: Mutex::new(Some(gone)),
                accepting: Mutex::new(Some(accepting)),
            }),
        })
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// What is behind the proxy.
    pub fn upstream(&self) -> SocketAddr {
        self.shared.upstream
    }

    /// Totals since the start, and what the cut of the moment has done so far.
    pub fn stats(&self) -> ProxyStats {
        let cut = self.shared.link.borrow().state.cut().map(|it| it.report());
        self.shared.totals.stats(cut)
    }

    /// Cuts the link: once this returns nothing is delivered either way, on any
    /// connection, and neither is an end or a reset of one. Bytes that the
    /// proxy had handed to the system before count as delivered. New
    /// connections are never answered. The link stays cut until the [`Cut`] is
    /// healed or dropped.
    ///
    /// # How faithful this is
    /// Across a cut network nothing sent is acknowledged, so that a sender's
    /// socket fills and in the end it cannot write. Here the bytes are read and
    /// discarded. librdkafka and the Java client cannot tell: both bound their
    /// requests in flight per connection, both count their time-outs from when
    /// a request was queued or sent, not from when TCP acknowledged it, and both
    /// then close the connection. Reading gives what not reading cannot: the
    /// number of bytes that the cut really met, which is the evidence; and no
    /// bytes left over in the system's buffers that a heal might deliver after
    /// all. One difference stays: a connection opened during the cut is
    /// established by the system, so a client waits for the answer to its first
    /// request instead of for the connection.
    ///
    /// # Errors
    /// [`ProxyError::AlreadyCut`] and [`ProxyError::Stopped`].
    pub fn cut(&self) -> Result<Cut, ProxyError> {
        self.begin_cut(LinkState::Cut)
    }

    /// Cuts the way back first: from now on no answer is delivered, while what
    /// clients send still arrives, until [`Cut::complete`] cuts that way too.
    /// So a request is surely acted on whose answer is surely lost, as happens
    /// by chance whenever a network fails under traffic. New connections are
    /// not answered, as in [`Self::cut`].
    ///
    /// # Errors
    /// [`ProxyError::AlreadyCut`] and [`ProxyError::Stopped`].
    pub fn cut_answers(&self) -> Result<Cut, ProxyError> {
        self.begin_cut(LinkState::HalfCut)
    }

    fn begin_cut(&self, state: fn(Arc<CutTally>) -> LinkState) -> Result<Cut, ProxyError> {
        let upstream = self.shared.upstream;
        let mut outcome = Err(ProxyError::Stopped { upstream });
        self.shared.link.send_if_modified(|era| match era.state {
            LinkState::Open => {
                let tally = Arc::new(CutTally::new(self.shared.totals.open.get()));
                era.state = state(Arc::clone(&tally));
                outcome = Ok(tally);
                true
            }
            LinkState::HalfCut(_) | LinkState::Cut(_) => {
                outcome = Err(ProxyError::AlreadyCut { upstream });
                false
            }
            LinkState::Stopped => false,
        });
        let tally = outcome?;
        self.shared.totals.cuts.add(1);
        Ok(Cut {
            proxy: self.clone(),
            tally,
        })
    }

    /// Stops listening, resets every connection and waits until all are closed.
    /// A cut that lasts ends with it. Stopping twice is harmless.
    pub async fn stop(&self) {
        take(&self.shared.backlog);
        let gone = self.shared.next_era(LinkState::Stopped, |_| true);
        if let Some(accepting) = take(&self.shared.accepting) {
            accepting.abort();
            let _ = accepting.await;
        }
        wait_until_gone(gone).await;
    }
}

impl Shared {
    /// Ends the era and with it all its connections, unless `is_due` objects;
    /// hears when they are gone.
    fn next_era(
        &self,
        state: LinkState,
        is_due: impl FnOnce(&Era) -> bool,
    ) -> Option<mpsc::Receiver<Never>> {
        let mut next_gone = None;
        self.link.send_if_modified(|era| {
            if !is_due(era) {
                return false;
            }
            let (next, gone) = Era::after(era, state);
            *era = next;
            next_gone = Some(gone);
            true
        });
        lock(&self.gone).replace(next_gone?)
    }

    /// Resets the connections that the system has established during a cut and
    /// that the accepting task has not seen yet: after the heal they would pass
    /// for new ones.
    fn empty_backlog(&self, tally: &CutTally) {
        let backlog = lock(&self.backlog);
        let Some(listener) = &*backlog else { return };
        while let Ok((client, _)) = listener.accept() {
            let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            self.totals.accepted.add(1);
            self.totals.unanswered.add(1);
            tally.connections_unanswered.add(1);
        }
    }

    /// Heals, if this cut lasts still.
    fn heal(&self, tally: &Arc<CutTally>) -> Option<mpsc::Receiver<Never>> {
        let lasts = |era: &Era| era.state.cut().is_some_and(|it| Arc::ptr_eq(it, tally));
        if !lasts(&self.link.borrow()) {
            return None;
        }
        self.empty_backlog(tally);
        self.next_era(LinkState::Open, lasts)
    }
}

/// A link that is cut. Dropping it heals the link.
#[derive(Debug)]
#[must_use = "dropping a cut heals it"]
pub struct Cut {
    proxy: Proxy,
    tally: Arc<CutTally>,
}

impl Cut {
    /// What the cut has done so far.
    pub fn so_far(&self) -> CutReport {
        self.tally.report()
    }

    /// Cuts the way to the upstream too, where only the way back was cut.
    pub fn complete(&self) {
        self.proxy.shared.link.send_if_modified(|era| {
            let half = matches!(&era.state, LinkState::HalfCut(it) if Arc::ptr_eq(it, &self.tally));
            if half {
                era.state = LinkState::Cut(Arc::clone(&self.tally));
            }
            half
        });
    }

    /// Heals the link. Connections that were open at the cut, or were opened
    /// during it, are reset on both sides, and what was in flight on them is
    /// gone; when this returns they are. A new connection works at once.
    pub async fn heal(self) -> CutReport {
        let gone = self.proxy.shared.heal(&self.tally);
        let report = self.tally.report();
        wait_until_gone(gone).await;
        CutReport {
            lasted: report.lasted,
            ..self.tally.report()
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.proxy.shared.heal(&self.tally);
    }
}

async fn wait_until_gone(gone: Option<mpsc::Receiver<Never>>) {
    if let Some(mut gone) = gone {
        gone.recv().await;
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    mut link: LinkView,
    totals: Arc<Totals>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closed(&mut link) => return,
        };
        match accepted {
            Ok((client, _)) => admit(client, upstream, &link, &totals, permit),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Resolves when no handle of the proxy is left.
async fn closed(link: &mut LinkView) {
    while link.changed().await.is_ok() {}
}

fn admit(
    client: TcpStream,
    upstream: SocketAddr,
    link: &LinkView,
    totals: &Arc<Totals>,
    permit: OwnedSemaphorePermit,
) {
    // It fails only on a socket that is gone already.
    let _ = client.set_nodelay(true);
    let (era, presence) = {
        // Under the gate, so that a cut counts each connection once: as
        // affected, or as unanswered.
        let era = link.borrow();
        totals.accepted.add(1);
        totals.open.add(1);
        if let Some(tally) = era.state.cut() {
            totals.unanswered.add(1);
            tally.connections_unanswered.add(1);
        }
        (era.number, era.presence.clone())
    };
    let relay = Relay {
        client,
        upstream,
        era,
        link: link.clone(),
        totals: Arc::clone(totals),
        presence,
    };
    tokio::spawn(async move {
        relay.run().await;
        drop(permit);
    });
}

/// The values behind these locks are replaced whole, so a panic elsewhere
/// cannot have left them half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
