//! The proxy before one broker: its handle, its listener, and the cut. Knows
//! nothing of the bytes that pass.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::active_fault::ActiveFault;
use crate::address::HostPort;
use crate::counters::{CutReport, ProxyStats, Totals};
use crate::cut_counters::CutCounters;
use crate::exchange::Exchange;
use crate::fault::Ways;
use crate::link::{Conditions, Era, Faults, LinkState, LinkView, Never};
use crate::listener::{Control, Listener, listen};
use crate::protocol::Protocol;
use crate::relay::Relay;
use crate::secured::ProxySecurity;
use crate::shape::Hits;
use crate::stream::Stream;

/// The most connections open at once before one broker; further ones wait in
/// the listener's backlog. Each takes two file descriptors, and memory only for
/// what its receivers have not taken yet.
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
    /// The link is cut, or reset, already.
    #[error("the link to {upstream} is cut already; heal that cut first")]
    AlreadyCut {
        /// Behind the proxy.
        upstream: HostPort,
    },
    /// The system does not stop, or start, listening.
    #[error("cannot change whether connections to {upstream} are refused")]
    Refuse {
        /// Behind the proxy.
        upstream: HostPort,
        /// The system's reason.
        source: io::Error,
    },
    /// The proxy was stopped.
    #[error("the proxy before {upstream} was stopped")]
    Stopped {
        /// Behind the proxy.
        upstream: HostPort,
    },
}

/// A running proxy before one broker; clones are handles to the same one. It
/// ends with [`Self::stop`], or when its last handle and its last [`Cut`] are
/// dropped.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: HostPort,
    link: watch::Sender<Era>,
    totals: Arc<Totals>,
    /// Whether connections are accepted; taken when the proxy stops.
    listening: Mutex<Option<Listening>>,
    /// Hears when the last connection of the era, or of the proxy, is gone.
    gone: Mutex<Option<mpsc::Receiver<Never>>>,
    /// Hears when no connection goes by the conditions in force any longer.
    forgotten: Mutex<mpsc::Receiver<Never>>,
    doorbell: Doorbell,
    accepting: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// What the accepting task is told, and what it has done.
#[derive(Debug)]
struct Doorbell {
    /// It may begin.
    ready: Arc<Notify>,
    orders: watch::Sender<Order>,
    /// The number of the last order that was carried out.
    obeyed: watch::Receiver<u64>,
}

/// Whether connections are to be refused.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    number: u64,
    refuses: bool,
}

#[derive(Debug)]
struct Listening {
    control: Control,
    refuses: bool,
}

impl Proxy {
    /// Listens on `listen`, whose port may be 0 for any, before `upstream`. The
    /// upstream need not be there yet. Bytes pass as they are. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`ProxyError::Listen`].
    #[expect(
        clippy::unused_async,
        reason = "the caller is within the runtime that it needs"
    )]
    pub async fn start(listen: SocketAddr, upstream: SocketAddr) -> Result<Self, ProxyError> {
        let listener = Listener::bind(listen).map_err(|source| ProxyError::Listen {
            address: listen,
            source,
        })?;
        let security = ProxySecurity::default();
        let proxy = Self::before(listener, upstream.into(), Protocol::Opaque, security);
        proxy.begin();
        Ok(proxy)
    }

    /// Takes a listener, from which nothing is accepted before [`Self::begin`].
    pub(crate) fn before(
        listener: Listener,
        upstream: HostPort,
        protocol: Protocol,
        security: ProxySecurity,
    ) -> Self {
        let address = listener.address();
        let Listener {
            accepting, control, ..
        } = listener;
        let (conditions, forgotten) = Conditions::new(Faults::default());
        let (era, gone) = Era::first(conditions);
        let (link, view) = watch::channel(era);
        let totals = Arc::new(Totals::default());
        let ready = Arc::new(Notify::new());
        let (orders, hears) = watch::channel(Order::default());
        let (obeys, obeyed) = watch::channel(0);
        let door = Door {
            upstream: upstream.clone(),
            protocol,
            security,
            link: view,
            totals: Arc::clone(&totals),
            is_told: false,
        };
        let begins = Arc::clone(&ready);
        let accepting = tokio::spawn(async move {
            begins.notified().await;
            accept(accepting, door, hears, obeys).await;
        });
        Self {
            shared: Arc::new(Shared {
                address,
                upstream,
                link,
                totals,
                listening: Mutex::new(Some(Listening {
                    control,
                    refuses: false,
                })),
                gone: Mutex::new(Some(gone)),
                forgotten: Mutex::new(forgotten),
                doorbell: Doorbell {
                    ready,
                    orders,
                    obeyed,
                },
                accepting: Mutex::new(Some(accepting)),
            }),
        }
    }

    /// Accepts connections from now on. Saying so twice is harmless.
    pub(crate) fn begin(&self) {
        self.shared.doorbell.ready.notify_one();
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// What is behind the proxy.
    pub fn upstream(&self) -> &HostPort {
        &self.shared.upstream
    }

    /// Totals since the start, and what the cut of the moment has done so far.
    pub fn stats(&self) -> ProxyStats {
        let cut = self
            .shared
            .link
            .borrow()
            .state
            .counters()
            .map(|it| it.report());
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
    /// discarded. librdkafka and the Java client do not notice: both bound their
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
        self.break_off(Break::Cut(Ways::Both), None)
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
        self.break_off(Break::Cut(Ways::Answers), None)
    }

    pub(crate) fn break_off(
        &self,
        how: Break,
        fault: Option<&Arc<ActiveFault>>,
    ) -> Result<Cut, ProxyError> {
        let upstream = &self.shared.upstream;
        let mut outcome = Err(ProxyError::Stopped {
            upstream: upstream.clone(),
        });
        let mut next_gone = None;
        self.shared.link.send_if_modified(|era| match era.state {
            LinkState::Open => {
                let open = self.shared.totals.open.get();
                let counters = Arc::new(CutCounters::new(open, fault.map(Arc::clone)));
                match how {
                    Break::Cut(ways) => era.state = LinkState::Cut(ways, Arc::clone(&counters)),
                    Break::Reset => {
                        let state = LinkState::Resetting(Arc::clone(&counters));
                        let (next, gone) = Era::after(era, state);
                        *era = next;
                        next_gone = Some(gone);
                    }
                }
                outcome = Ok(counters);
                true
            }
            LinkState::Cut(..) | LinkState::Resetting(_) => {
                outcome = Err(ProxyError::AlreadyCut {
                    upstream: upstream.clone(),
                });
                false
            }
            LinkState::Stopped => false,
        });
        if let Some(gone) = next_gone {
            lock(&self.shared.gone).replace(gone);
        }
        let counters = outcome?;
        self.shared.totals.cuts.add(1);
        Ok(Cut {
            proxy: self.clone(),
            counters,
        })
    }

    /// Changes what happens to what is carried. No byte goes by the old
    /// conditions when this returns; each connection has looked at the new ones
    /// when the old ones are [`Forgotten`].
    pub(crate) fn set_conditions(&self, faults: Faults) -> Forgotten {
        let (conditions, forgotten) = Conditions::new(faults);
        self.shared.link.send_modify(|era| {
            era.conditions = conditions;
        });
        let before = std::mem::replace(&mut *lock(&self.shared.forgotten), forgotten);
        Forgotten(before)
    }

    /// Refuses new connections, or accepts them.
    pub(crate) fn set_refusing(&self, refuses: bool) -> Result<(), ProxyError> {
        let mut listening = lock(&self.shared.listening);
        let Some(listening) = listening.as_mut() else {
            return Ok(());
        };
        if listening.refuses == refuses {
            return Ok(());
        }
        if refuses {
            let upstream = &self.shared.upstream;
            let stopped = listening.control.refuse();
            stopped.map_err(|source| ProxyError::Refuse {
                upstream: upstream.clone(),
                source,
            })?;
        }
        listening.refuses = refuses;
        // The task that accepts has to listen again: to the runtime a socket that has
        // stopped listening is closed for good, and has to be made known anew.
        self.shared.doorbell.orders.send_modify(|order| {
            order.number += 1;
            order.refuses = refuses;
        });
        Ok(())
    }

    /// Returns when the system listens, or not, as it was last told.
    pub(crate) async fn obeyed(&self) {
        let doorbell = &self.shared.doorbell;
        let wanted = doorbell.orders.borrow().number;
        // A proxy that was stopped does not listen, whatever it was told.
        let _ = doorbell.obeyed.clone().wait_for(|it| *it >= wanted).await;
    }

    /// Stops listening, resets every connection and waits until all are closed.
    /// A cut that lasts ends with it. Stopping twice is harmless.
    pub async fn stop(&self) {
        take(&self.shared.listening);
        let gone = self.shared.next_era(LinkState::Stopped, |_| true);
        if let Some(accepting) = take(&self.shared.accepting) {
            accepting.abort();
            let _ = accepting.await;
        }
        wait_until_gone(gone).await;
    }
}

/// Conditions that are in force no more.
#[derive(Debug)]
pub(crate) struct Forgotten(mpsc::Receiver<Never>);

impl Forgotten {
    /// Returns when no connection goes by them.
    pub(crate) async fn by_all(mut self) {
        self.0.recv().await;
    }
}

/// How a link is broken off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Break {
    Cut(Ways),
    Reset,
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
    fn empty_backlog(&self, counters: &CutCounters) {
        let listening = lock(&self.listening);
        let Some(listening) = &*listening else { return };
        for _ in 0..listening.control.empty() {
            self.totals.accepted.add(1);
            self.totals.unanswered.add(1);
            counters.count_hit();
        }
    }

    /// Heals, if this cut lasts still.
    fn heal(&self, counters: &Arc<CutCounters>) -> Option<mpsc::Receiver<Never>> {
        let lasts = |era: &Era| {
            era.state
                .counters()
                .is_some_and(|it| Arc::ptr_eq(it, counters))
        };
        if !lasts(&self.link.borrow()) {
            return None;
        }
        self.empty_backlog(counters);
        self.next_era(LinkState::Open, lasts)
    }
}

/// A link that is cut. Dropping it heals the link.
#[derive(Debug)]
#[must_use = "dropping a cut heals it"]
pub struct Cut {
    proxy: Proxy,
    counters: Arc<CutCounters>,
}

impl Cut {
    /// What the cut has done so far.
    pub fn so_far(&self) -> CutReport {
        self.counters.report()
    }

    /// Cuts the way to the upstream too, where only the way back was cut.
    pub fn complete(&self) {
        self.proxy.shared.link.send_if_modified(|era| {
            let half = matches!(
                &era.state,
                LinkState::Cut(Ways::Answers, it) if Arc::ptr_eq(it, &self.counters)
            );
            if half {
                era.state = LinkState::Cut(Ways::Both, Arc::clone(&self.counters));
            }
            half
        });
    }

    /// Heals the link. Connections that were open at the cut, or were opened
    /// during it, are reset on both sides, and what was in flight on them is
    /// gone; when this returns they are. A new connection works at once.
    pub async fn heal(self) -> CutReport {
        let gone = self.proxy.shared.heal(&self.counters);
        let report = self.counters.report();
        wait_until_gone(gone).await;
        CutReport {
            lasted: report.lasted,
            ..self.counters.report()
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.proxy.shared.heal(&self.counters);
    }
}

async fn wait_until_gone(gone: Option<mpsc::Receiver<Never>>) {
    if let Some(mut gone) = gone {
        gone.recv().await;
    }
}

/// What a connection that comes in is given.
struct Door {
    upstream: HostPort,
    protocol: Protocol,
    security: ProxySecurity,
    link: LinkView,
    totals: Arc<Totals>,
    /// Whether it was reported that no connection is accepted.
    is_told: bool,
}

async fn accept(
    socket: StdListener,
    mut door: Door,
    mut orders: watch::Receiver<Order>,
    obeys: watch::Sender<u64>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut listener = None;
    loop {
        let order = *orders.borrow_and_update();
        // An order that came since is carried out in the next round.
        if order.refuses {
            listener = None;
        } else if listener.is_none() || *obeys.borrow() != order.number {
            listener = listening(&socket).ok();
        }
        obeys.send_replace(order.number);
        if room.available_permits() == 0 {
            door.no_room(|| format!("{CONNECTIONS_MAX} are open already"));
        }
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepting = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None if order.refuses => std::future::pending().await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        let accepted = tokio::select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = closed(&mut door.link) => return,
            accepted = accepting => accepted,
        };
        match accepted {
            Ok((client, peer)) => {
                door.is_told = false;
                door.admit(client, peer, permit);
            }
            Err(error) => {
                door.no_room(|| error.to_string());
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Lets the system listen, and the runtime know; listening twice is harmless.
fn listening(socket: &StdListener) -> io::Result<TcpListener> {
    listen(socket)?;
    TcpListener::from_std(socket.try_clone()?)
}

/// Resolves when no handle of the proxy is left.
async fn closed(link: &mut LinkView) {
    while link.changed().await.is_ok() {}
}

impl Door {
    /// Tells once that connections have to wait.
    fn no_room(&mut self, reason: impl FnOnce() -> String) {
        let Protocol::Kafka(cluster) = &self.protocol else {
            return;
        };
        if let Some(cluster) = cluster.upgrade().filter(|_| !self.is_told) {
            self.is_told = true;
            cluster.no_room(&self.upstream, reason());
        }
    }

    fn admit(&self, client: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let client = match self.security.accepted() {
            None => Stream::plain(client),
            Some(Ok(connection)) => Stream::tls(client, connection),
            // Without it nothing could be said: the client sees an end, and tries again.
            Some(Err(_)) => return,
        };
        let (era, presence) = {
            // Under the gate, so that a cut counts each connection once: as
            // affected, or as unanswered.
            let era = self.link.borrow();
            self.totals.accepted.add(1);
            if let Some(counters) = era.state.counters() {
                self.totals.unanswered.add(1);
                counters.count_hit();
            }
            if matches!(era.state, LinkState::Resetting(_)) {
                client.reset();
                return;
            }
            self.totals.open.add(1);
            (era.number, era.presence.clone())
        };
        let relay = Relay {
            client,
            peer,
            upstream: self.upstream.clone(),
            protocol: self.protocol.clone(),
            security: self.security.clone(),
            era,
            link: self.link.clone(),
            totals: Arc::clone(&self.totals),
            exchange: Exchange::default(),
            hits: Hits::default(),
            client_faults: Mutex::default(),
            presence,
        };
        tokio::spawn(async move {
            relay.run().await;
            drop(permit);
        });
    }
}

/// The values behind these locks are replaced whole, so a panic elsewhere
/// cannot have left them half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
