//! One connection through the proxy: bytes are carried while the link is open
//! and swallowed while it is cut; when the link heals, the connection is reset.
//! Knows nothing of faults' callers, nor of the bytes' meaning.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::active_fault::ActiveFault;
use crate::address::HostPort;
use crate::counters::{Direction, Totals};
use crate::exchange::Exchange;
use crate::fault::FaultEffect;
use crate::inspect::{CloseReason, Next, Surroundings};
use crate::link::{ClientBreak, Conditions, Era, LinkState, LinkView, Never};
use crate::protocol::{Cluster, Protocol};
use crate::request_path::learn_client_id;
use crate::secured::ProxySecurity;
use crate::shape::{Hits, Shape};
use crate::stream::Stream;
use crate::way::{Inspector, Reset, Wait, Way};
use crate::write_queue::Delivery;

/// How often one way reads before others have their turn. What passes unseen
/// takes two: its head, and the rest.
const READS_OF_A_TURN: usize = 8;

/// A client's connection, as it was accepted.
pub(crate) struct Relay {
    pub(crate) client: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) upstream: HostPort,
    pub(crate) protocol: Protocol,
    pub(crate) security: ProxySecurity,
    pub(crate) era: u64,
    pub(crate) link: LinkView,
    pub(crate) totals: Arc<Totals>,
    pub(crate) exchange: Exchange,
    /// Faults that have counted this connection.
    pub(crate) hits: Hits,
    /// What has become of it by breaks for some clients.
    pub(crate) client_faults: Mutex<ClientFaults>,
    /// Dropped last: see [`crate::link::Era::presence`].
    pub(crate) presence: mpsc::Sender<Never>,
}

/// What one connection has met of breaks that only some clients meet.
#[derive(Debug, Default)]
pub(crate) struct ClientFaults {
    /// Those that it has met, while they last.
    breaks: Vec<Arc<ClientBreak>>,
    /// One of them is healed, and this dies with it.
    doomed: bool,
}

/// What such breaks make of one way of a connection now.
enum Broken {
    /// Nothing.
    No,
    /// What goes this way is swallowed, and counted for a fault.
    Cut(Arc<ActiveFault>),
    /// What goes this way is swallowed: the connection will be reset as soon as
    /// the link carries a reset again.
    Doomed,
}

enum Progress {
    /// Nothing more can be done now.
    Wait(Wait),
    /// The reader's end is finished and that was passed on.
    Finished,
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
            Err(DialError::Cut) => self.hold().await,
            Err(DialError::Refused) => {
                self.totals.upstream_refused.add(1);
                Err(Reset::Failed)
            }
            Err(DialError::NoDescriptors) => Err(Reset::Closed(CloseReason::NoDescriptors)),
            Err(DialError::EraOver) => Err(Reset::EraOver),
        };
        let mut late = None;
        if let Err(reset) = ends {
            self.client.reset();
            if let Ok(upstream) = &upstream {
                upstream.reset();
            }
            match reset {
                Reset::Closed(reason) => {
                    self.totals.closed.add(1);
                    if let Some(cluster) = self.cluster() {
                        cluster.report(self.peer, &self.upstream, &reason);
                    }
                }
                Reset::Late(request) => late = Some(request),
                Reset::Failed | Reset::EraOver | Reset::Wanted => {}
            }
        }
        drop(upstream);
        self.totals.open.subtract_one();
        let Self {
            client,
            presence,
            upstream,
            security,
            mut link,
            era,
            ..
        } = self;
        // The client has to see the end before the request arrives.
        drop(client);
        if let Some(late) = late {
            tokio::select! {
                () = late.deliver(&upstream, security.as_user()) => {}
                () = era_over(&mut link, era) => {}
            }
        }
        drop(presence);
    }

    /// Gets reports, and knows addresses.
    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        match &self.protocol {
            Protocol::Opaque => None,
            Protocol::Kafka(cluster) => cluster.upgrade(),
        }
    }

    async fn dial(&mut self) -> Result<Stream, DialError> {
        let to = self
            .security
            .place_of(&self.upstream.host, self.upstream.port);
        let connecting = TcpStream::connect(to);
        tokio::pin!(connecting);
        loop {
            {
                let era = self.link.borrow_and_update();
                if era.number != self.era {
                    return Err(DialError::EraOver);
                }
                if matches!(era.state, LinkState::Cut(..)) {
                    return Err(DialError::Cut);
                }
            }
            tokio::select! {
                changed = self.link.changed() => {
                    changed.map_err(|_| DialError::EraOver)?;
                }
                connected = &mut connecting => {
                    let stream = connected.and_then(|tcp| self.to_broker(tcp));
                    return stream.map_err(|error| {
                        if is_out_of_descriptors(&error) {
                            DialError::NoDescriptors
                        } else {
                            DialError::Refused
                        }
                    });
                }
            }
        }
    }

    fn to_broker(&self, tcp: TcpStream) -> std::io::Result<Stream> {
        match self.security.dialed(&self.upstream.host) {
            None => Ok(Stream::plain(tcp)),
            Some(connection) => Ok(Stream::tls(tcp, connection?)),
        }
    }

    /// Swallows the bytes of a client whose broker is out of reach.
    async fn hold(&self) -> Result<(), Reset> {
        // Also where only the way back is cut: nothing answers here.
        self.exchange.silence();
        self.carry(&self.client, &self.client, Direction::ToUpstream)
            .await
    }

    /// One way of the connection, until it is finished.
    async fn carry(&self, from: &Stream, to: &Stream, direction: Direction) -> Result<(), Reset> {
        let mut link = self.link.clone();
        let mut way = Way::new(from, to, direction, &self.protocol);
        let news = match direction {
            Direction::ToUpstream => &self.exchange.room,
            Direction::ToClient => &self.exchange.ready,
        };
        loop {
            let wait = match self.relay_once(&mut link, &mut way) {
                Progress::Wait(wait) => wait,
                Progress::Finished => return Ok(()),
                Progress::Reset(reset) => return Err(reset),
            };
            tokio::select! {
                changed = link.changed() => {
                    if changed.is_err() {
                        return Err(Reset::EraOver);
                    }
                }
                () = from.readable(), if wait.readable => {}
                () = to.writable(wait.writable), if wait.writable || wait.flushes => {}
                () = sleep_until(wait.until), if wait.until.is_some() => {}
                () = news.notified() => {}
            }
        }
    }

    /// What can be done without waiting, under the gate.
    fn relay_once(&self, link: &mut LinkView, way: &mut Way<'_>) -> Progress {
        let era = link.borrow_and_update();
        if era.number != self.era || matches!(era.state, LinkState::Stopped) {
            return Progress::Reset(Reset::EraOver);
        }
        way.go_by(&era.conditions);
        let broken = match self.apply_client_faults(&era, way.direction) {
            Ok(broken) => broken,
            Err(reset) => return Progress::Reset(reset),
        };
        if let Some(counters) = era.state.cut_for(way.direction) {
            let swallowed = way.swallow();
            counters.swallow(way.direction, swallowed);
            self.totals.swallowed.add(way.direction, swallowed);
            // An end is discarded too while the cut lasts.
            return Progress::Wait(Wait::to_read(!way.ended));
        }
        if self.exchange.is_silent() {
            let swallowed = way.swallow();
            self.totals.swallowed.add(way.direction, swallowed);
            // The other side goes when this one has gone.
            return if way.ended {
                Progress::Reset(Reset::Failed)
            } else {
                Progress::Wait(Wait::to_read(true))
            };
        }
        self.forward(way, &era, broken)
            .unwrap_or_else(Progress::Reset)
    }

    fn forward(&self, way: &mut Way<'_>, era: &Era, mut broken: Broken) -> Result<Progress, Reset> {
        let conditions = &*era.conditions;
        let mut reads = 0;
        loop {
            if self.learn_client_id(way) {
                broken = self.apply_client_faults(era, way.direction)?;
            }
            if let Some(progress) = self.discard_broken(way, &broken) {
                return Ok(progress);
            }
            let shape = Shape::of(
                &self.hits,
                self.exchange.client_id(),
                conditions,
                way.direction,
            );
            if way.shaped && !shape.delays() {
                way.write_queue.hasten();
            }
            way.shaped = shape.delays();
            let decision = self.decide(way, conditions, &shape)?;
            if way.ended && !way.end_queued {
                way.queue_end(&shape, &self.protocol)?;
            }
            let wants_more = decision == Decision::Go && !way.ended;
            // Others have their turn then, though more may have come.
            let goes_on = wants_more && reads < READS_OF_A_TURN;
            reads += 1;
            if goes_on && way.gather(&shape) && way.read(&shape, &self.totals)? {
                continue;
            }
            let until = match way.write(&shape, &self.totals)? {
                Delivery::Ended => return Ok(Progress::Finished),
                Delivery::Blocked => {
                    way.waits_since = None;
                    way.splice.rest();
                    return Ok(Progress::Wait(Wait {
                        writable: true,
                        flushes: true,
                        ..Wait::default()
                    }));
                }
                Delivery::NotBefore(due) => Some(due),
                Delivery::Empty => None,
            };
            let may_read = wants_more && !way.write_queue.is_full();
            if !(goes_on && may_read && way.read(&shape, &self.totals)?) {
                way.incoming.rest();
                way.splice.rest();
                return Ok(Progress::Wait(Wait {
                    readable: may_read,
                    writable: false,
                    flushes: true,
                    until: way.wait_for_more(may_read, until)?,
                }));
            }
        }
    }

    /// Learns the `client.id` from the first request; whether it is known now.
    fn learn_client_id(&self, way: &Way<'_>) -> bool {
        let is_due = matches!(way.inspector, Inspector::RequestPath(_))
            && matches!(self.protocol, Protocol::Kafka(_))
            && !self.exchange.knows_client_id();
        if is_due {
            learn_client_id(way.incoming.bytes(), &self.exchange);
        }
        is_due && self.exchange.knows_client_id()
    }

    /// Meets the breaks that are for this client, and what became of those that
    /// it has met before.
    fn apply_client_faults(&self, era: &Era, direction: Direction) -> Result<Broken, Reset> {
        let in_force = &era.conditions.breaks;
        let mut client_faults = self
            .client_faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = client_faults.breaks.len();
        client_faults
            .breaks
            .retain(|it| in_force.iter().any(|other| Arc::ptr_eq(it, other)));
        client_faults.doomed |= client_faults.breaks.len() < before;
        // A cut of the whole link discards resets too, and ends in one.
        let discarded = matches!(era.state, LinkState::Cut(..));
        if client_faults.doomed {
            return if discarded {
                Ok(Broken::Doomed)
            } else {
                Err(Reset::Wanted)
            };
        }
        let mut broken = Broken::No;
        let client_id = self.exchange.client_id();
        for one in in_force
            .iter()
            .filter(|it| it.fault.fault.is_for(client_id))
        {
            let FaultEffect::Cut { ways } = one.fault.fault.effect else {
                if discarded {
                    continue;
                }
                self.hits.count_hit(&one.fault);
                return Err(Reset::Wanted);
            };
            self.hits.count_hit(&one.fault);
            if !client_faults.breaks.iter().any(|it| Arc::ptr_eq(it, one)) {
                client_faults.breaks.push(Arc::clone(one));
            }
            if ways.include(direction) {
                broken = Broken::Cut(Arc::clone(&one.fault));
            }
        }
        Ok(broken)
    }

    /// Swallows what goes a way that is broken; `None` for one that is not.
    fn discard_broken(&self, way: &mut Way<'_>, broken: &Broken) -> Option<Progress> {
        if matches!(broken, Broken::No) {
            return None;
        }
        let swallowed = way.swallow();
        self.totals.swallowed.add(way.direction, swallowed);
        if let Broken::Cut(fault) = broken {
            fault.evidence.bytes(swallowed);
        }
        Some(Progress::Wait(Wait::to_read(!way.ended)))
    }

    /// Decides on all that is at hand, as far as can be.
    fn decide(
        &self,
        way: &mut Way<'_>,
        conditions: &Conditions,
        shape: &Shape<'_>,
    ) -> Result<Decision, Reset> {
        let cluster = match &self.protocol {
            Protocol::Opaque => {
                way.passing = way.incoming.bytes().len();
                return Ok(Decision::Go);
            }
            Protocol::Kafka(cluster) => cluster.upgrade().ok_or(Reset::EraOver)?,
        };
        let around = Surroundings {
            conditions,
            addresses: cluster.addresses(),
            count_hit: &|fault| self.hits.count_hit(fault),
        };
        loop {
            let front = &way.incoming.bytes()[way.passing..];
            let next = match &mut way.inspector {
                Inspector::RequestPath(request_path) => {
                    request_path.next(front, &self.exchange, &around, &|id| cluster.topic_name(id))
                }
                Inspector::ResponsePath(response_path) => {
                    response_path.next(front, &self.exchange, &around, &mut &*cluster)
                }
            };
            let next = next.map_err(Reset::Closed)?;
            if !matches!(next, Next::More) {
                way.waits_since = None;
            }
            match next {
                Next::More => return Ok(Decision::Go),
                Next::Wait => return Ok(Decision::WaitForRoom),
                Next::Deliver {
                    bytes,
                    after: Duration::ZERO,
                } => way.passing += bytes,
                Next::Deliver { bytes, after } => {
                    let with = front[..bytes].to_vec();
                    way.instead(bytes, with, after, shape)?;
                }
                Next::Instead { bytes, with, after } => {
                    way.instead(bytes, with, after, shape)?;
                }
                Next::Swallow(bytes) => {
                    way.instead(bytes, Vec::new(), Duration::ZERO, shape)?;
                }
                Next::Silence => {
                    self.exchange.silence();
                    return Ok(Decision::WaitForRoom);
                }
                Next::Reset => return Err(Reset::Wanted),
                Next::Late(late) => return Err(Reset::Late(late)),
            }
        }
    }
}

/// Whether more is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Go,
    /// Not before the other way has moved.
    WaitForRoom,
}

/// Returns when the connections of an era are to go.
async fn era_over(link: &mut LinkView, era: u64) {
    let is_over = |now: &Era| now.number != era || matches!(now.state, LinkState::Stopped);
    // The link is gone, and with it all of them.
    let _ = link.wait_for(is_over).await;
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

enum DialError {
    Cut,
    Refused,
    NoDescriptors,
    EraOver,
}

fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use crate::{ClusterProxy, ClusterSettings, ProxyEvent};

    /// A byte now and then keeps a connection busy, and the proxy waiting.
    #[tokio::test]
    async fn a_request_whose_head_drips_is_closed_and_told() {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let broker = TcpListener::bind(anywhere).await.unwrap();
        let closed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&closed);
        let settings = ClusterSettings {
            bootstrap: vec![broker.local_addr().unwrap().into()],
            listen: anywhere,
            ports: None,
            advertised_host: None,
            security: crate::ProxySecurity::default(),
        };
        let hear = Arc::new(move |note| {
            if let ProxyEvent::Closed { reason, .. } = note {
                log.lock().unwrap().push(reason.to_string());
            }
        });
        let proxy = ClusterProxy::start(settings, hear).await.unwrap();
        let mut client = TcpStream::connect(proxy.brokers()[0].listens)
            .await
            .unwrap();
        let (mut at_broker, _) = broker.accept().await.unwrap();
        // Half a client id.
        let half_a_request = b"\0\0\0\x20\0\x03\0\0\0\0\0\x01\0\x09fet";
        for byte in half_a_request {
            client.write_all(&[*byte]).await.unwrap();
        }
        assert!(client.read_u8().await.is_err());
        assert!(at_broker.read_u8().await.is_err(), "it got none of it");
        let closed = closed.lock().unwrap();
        assert!(closed[0].contains("17 bytes into a frame"), "{closed:?}");
    }
}
