//! One connection through the proxy: bytes are carried while the link is open
//! and swallowed while it is cut; when the link heals, the connection is reset.
//! Knows nothing of who breaks and heals, nor of what the bytes mean.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::active::ActiveFault;
use crate::address::HostPort;
use crate::answering::Answering;
use crate::asking::{Asking, introduce};
use crate::book::AddressBook;
use crate::conduit::{Conduit, Filled};
use crate::exchange::Exchange;
use crate::fault::Effect;
use crate::incoming::Incoming;
use crate::inspect::{CloseReason, HEAD_BYTES, HELD_LIMIT, Next, Surroundings, UNSEEN_BYTES_MIN};
use crate::line::{Delivery, Line};
use crate::link::{ClientBreak, Conditions, Era, LinkState, LinkView, Never};
use crate::stream::Stream;
use crate::tally::{Direction, Totals};

/// How often one way reads before others have their turn. What passes unseen
/// takes two: its head, and the rest.
const READS_OF_A_TURN: usize = 8;

/// What is made of the bytes.
#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    /// Nothing.
    Opaque,
    /// Kafka's requests and answers. The book is gone when the proxy stops.
    Kafka(Weak<AddressBook>),
}

/// A client's connection, as it was accepted.
pub(crate) struct Relay {
    pub(crate) client: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) upstream: HostPort,
    pub(crate) protocol: Protocol,
    pub(crate) era: u64,
    pub(crate) link: LinkView,
    pub(crate) totals: Arc<Totals>,
    pub(crate) exchange: Exchange,
    /// Faults that have counted this connection, by id.
    pub(crate) met: Mutex<Vec<u64>>,
    /// What has become of it by breaks for some clients.
    pub(crate) felt: Mutex<Felt>,
    /// Dropped last: see [`crate::link::Era::presence`].
    pub(crate) presence: mpsc::Sender<Never>,
}

/// What one connection has felt of breaks that only some clients meet.
#[derive(Debug, Default)]
pub(crate) struct Felt {
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

/// Why both ends are reset.
#[derive(Debug)]
enum Reset {
    /// One end was reset or failed: the other shall see the same.
    Failed,
    /// The era of the connection is over.
    EraOver,
    /// A fault wants it.
    Wanted,
    /// The connection cannot go on.
    Closed(CloseReason),
}

/// One way of a connection.
struct Way<'a> {
    from: &'a Stream,
    to: &'a Stream,
    direction: Direction,
    inspector: Inspector,
    /// What passes, before all that was read. While anything is in here, the
    /// line is empty.
    conduit: Conduit,
    /// What was read and is not decided, or not delivered.
    incoming: Incoming,
    /// Of that, how much is to be delivered as it is.
    passing: usize,
    /// Since when what is not decided waits for more.
    waits_since: Option<Instant>,
    line: Line,
    /// What it went by when it last had its turn.
    goes_by: Option<Arc<Conditions>>,
    /// A fault on all bytes was in force when they were last looked at.
    shaped: bool,
    /// Nothing more will be read.
    ended: bool,
    /// And that is in the line.
    end_queued: bool,
}

enum Inspector {
    Asking(Asking),
    Answering(Answering),
}

/// What a way waits for.
#[derive(Clone, Copy, Debug, Default)]
struct Wait {
    readable: bool,
    writable: bool,
    until: Option<Instant>,
}

enum Turn {
    /// Nothing more can be done now.
    Wait(Wait),
    /// The reader's end is finished and that was passed on.
    Finished,
    Reset(Reset),
}

impl Inspector {
    fn passes_unseen(&self) -> usize {
        match self {
            Self::Asking(asking) => asking.passes_unseen(),
            Self::Answering(answering) => answering.passes_unseen(),
        }
    }

    fn passed_unseen(&mut self, bytes: usize) {
        match self {
            Self::Asking(asking) => asking.passed_unseen(bytes),
            Self::Answering(answering) => answering.passed_unseen(bytes),
        }
    }

    fn expects_unseen(&self) -> bool {
        match self {
            Self::Asking(asking) => asking.expects_unseen(),
            Self::Answering(answering) => answering.expects_unseen(),
        }
    }
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
            Err(Undialled::NoDescriptors) => Err(Reset::Closed(CloseReason::NoDescriptors)),
            Err(Undialled::EraOver) => Err(Reset::EraOver),
        };
        if let Err(reset) = ends {
            self.client.reset();
            if let Ok(upstream) = &upstream {
                upstream.reset();
            }
            if let Reset::Closed(reason) = reset {
                self.totals.closed.add(1);
                if let Some(book) = self.book() {
                    book.report(self.peer, &self.upstream, &reason);
                }
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

    /// Whom to tell.
    fn book(&self) -> Option<Arc<AddressBook>> {
        match &self.protocol {
            Protocol::Opaque => None,
            Protocol::Kafka(book) => book.upgrade(),
        }
    }

    async fn dial(&mut self) -> Result<Stream, Undialled> {
        let to = (self.upstream.host.clone(), self.upstream.port);
        let connecting = TcpStream::connect(to);
        tokio::pin!(connecting);
        loop {
            {
                let era = self.link.borrow_and_update();
                if era.number != self.era {
                    return Err(Undialled::EraOver);
                }
                if matches!(era.state, LinkState::Cut(..)) {
                    return Err(Undialled::Cut);
                }
            }
            tokio::select! {
                changed = self.link.changed() => {
                    changed.map_err(|_| Undialled::EraOver)?;
                }
                connected = &mut connecting => {
                    return connected.map(Stream::plain).map_err(|error| {
                        if is_out_of_descriptors(&error) {
                            Undialled::NoDescriptors
                        } else {
                            Undialled::Refused
                        }
                    });
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
    async fn carry(&self, from: &Stream, to: &Stream, direction: Direction) -> Result<(), Reset> {
        let mut link = self.link.clone();
        let mut way = Way::new(from, to, direction, &self.protocol);
        let news = match direction {
            Direction::ToUpstream => &self.exchange.room,
            Direction::ToClient => &self.exchange.ready,
        };
        loop {
            let wait = match self.turn(&mut link, &mut way) {
                Turn::Wait(wait) => wait,
                Turn::Finished => return Ok(()),
                Turn::Reset(reset) => return Err(reset),
            };
            tokio::select! {
                changed = link.changed() => {
                    if changed.is_err() {
                        return Err(Reset::EraOver);
                    }
                }
                () = from.readable(), if wait.readable => {}
                () = to.writable(), if wait.writable => {}
                () = sleep_until(wait.until), if wait.until.is_some() => {}
                () = news.notified() => {}
            }
        }
    }

    /// What can be done without waiting, under the gate.
    fn turn(&self, link: &mut LinkView, way: &mut Way<'_>) -> Turn {
        let era = link.borrow_and_update();
        if era.number != self.era || matches!(era.state, LinkState::Stopped) {
            return Turn::Reset(Reset::EraOver);
        }
        way.go_by(&era.conditions);
        let broken = match self.feel(&era, way.direction) {
            Ok(broken) => broken,
            Err(reset) => return Turn::Reset(reset),
        };
        if let Some(tally) = era.state.cut_for(way.direction) {
            let swallowed = way.swallow();
            tally.swallow(way.direction, swallowed);
            self.totals.swallowed.add(way.direction, swallowed);
            // An end is hushed too while the cut lasts.
            return Turn::Wait(Wait::to_read(!way.ended));
        }
        if self.exchange.is_silent() {
            let swallowed = way.swallow();
            self.totals.swallowed.add(way.direction, swallowed);
            // The other side goes when this one has gone.
            return if way.ended {
                Turn::Reset(Reset::Failed)
            } else {
                Turn::Wait(Wait::to_read(true))
            };
        }
        self.forward(way, &era, broken).unwrap_or_else(Turn::Reset)
    }

    fn forward(&self, way: &mut Way<'_>, era: &Era, mut broken: Broken) -> Result<Turn, Reset> {
        let conditions = &*era.conditions;
        let mut reads = 0;
        loop {
            if self.introduce(way) {
                broken = self.feel(era, way.direction)?;
            }
            if let Some(turn) = self.hush(way, &broken) {
                return Ok(turn);
            }
            let shape = Shape::of(self, conditions, way.direction);
            if way.shaped && !shape.delays() {
                way.line.hasten();
            }
            way.shaped = shape.delays();
            let decision = self.decide(way, conditions, &shape)?;
            if way.ended && !way.end_queued {
                way.queue_end(&shape, self)?;
            }
            let wants_more = decision == Decision::Go && !way.ended;
            // Others have their turn then, though more may have come.
            let goes_on = wants_more && reads < READS_OF_A_TURN;
            reads += 1;
            if goes_on && way.gather(&shape) && way.read(&shape, &self.totals)? {
                continue;
            }
            let until = match way.write(&shape, &self.totals)? {
                Delivery::Ended => return Ok(Turn::Finished),
                Delivery::Blocked => {
                    way.waits_since = None;
                    way.conduit.rest();
                    return Ok(Turn::Wait(Wait {
                        writable: true,
                        ..Wait::default()
                    }));
                }
                Delivery::NotBefore(due) => Some(due),
                Delivery::Empty => None,
            };
            let may_read = wants_more && !way.line.is_full();
            if !(goes_on && may_read && way.read(&shape, &self.totals)?) {
                way.incoming.rest();
                way.conduit.rest();
                return Ok(Turn::Wait(Wait {
                    readable: may_read,
                    writable: false,
                    until: way.wait_for_more(may_read, until)?,
                }));
            }
        }
    }

    /// Learns from the first request who the client is; whether it has now.
    fn introduce(&self, way: &Way<'_>) -> bool {
        let is_due = matches!(way.inspector, Inspector::Asking(_))
            && matches!(self.protocol, Protocol::Kafka(_))
            && !self.exchange.is_introduced();
        if is_due {
            introduce(way.incoming.bytes(), &self.exchange);
        }
        is_due && self.exchange.is_introduced()
    }

    /// Meets the breaks that are for this client, and what became of those that
    /// it has met before.
    fn feel(&self, era: &Era, direction: Direction) -> Result<Broken, Reset> {
        let in_force = &era.conditions.breaks;
        let mut felt = self.felt.lock().unwrap_or_else(PoisonError::into_inner);
        let felt_before = felt.breaks.len();
        felt.breaks
            .retain(|it| in_force.iter().any(|other| Arc::ptr_eq(it, other)));
        felt.doomed |= felt.breaks.len() < felt_before;
        // A cut of the whole link hushes resets too, and ends in one.
        let hushed = matches!(era.state, LinkState::Cut(..));
        if felt.doomed {
            return if hushed {
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
            let Effect::Cut { ways } = one.fault.fault.effect else {
                if hushed {
                    continue;
                }
                self.meet(&one.fault);
                return Err(Reset::Wanted);
            };
            self.meet(&one.fault);
            if !felt.breaks.iter().any(|it| Arc::ptr_eq(it, one)) {
                felt.breaks.push(Arc::clone(one));
            }
            if ways.include(direction) {
                broken = Broken::Cut(Arc::clone(&one.fault));
            }
        }
        Ok(broken)
    }

    /// Swallows what goes a way that is broken; `None` for one that is not.
    fn hush(&self, way: &mut Way<'_>, broken: &Broken) -> Option<Turn> {
        if matches!(broken, Broken::No) {
            return None;
        }
        let swallowed = way.swallow();
        self.totals.swallowed.add(way.direction, swallowed);
        if let Broken::Cut(fault) = broken {
            fault.witness.bytes(swallowed);
        }
        Some(Turn::Wait(Wait::to_read(!way.ended)))
    }

    /// Decides on all that is at hand, as far as can be.
    fn decide(
        &self,
        way: &mut Way<'_>,
        conditions: &Conditions,
        shape: &Shape<'_>,
    ) -> Result<Decision, Reset> {
        let book = match &self.protocol {
            Protocol::Opaque => {
                way.passing = way.incoming.bytes().len();
                return Ok(Decision::Go);
            }
            Protocol::Kafka(book) => book.upgrade().ok_or(Reset::EraOver)?,
        };
        let around = Surroundings {
            conditions,
            addresses: book.addresses(),
            met: &|fault| self.meet(fault),
        };
        loop {
            let front = &way.incoming.bytes()[way.passing..];
            let next = match &mut way.inspector {
                Inspector::Asking(asking) => {
                    asking.next(front, &self.exchange, &around, &|id| book.topic_name(id))
                }
                Inspector::Answering(answering) => {
                    answering.next(front, &self.exchange, &around, &mut &*book)
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
            }
        }
    }

    /// Counts the connection for a fault, once.
    fn meet(&self, fault: &ActiveFault) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if !met.contains(&fault.id) {
            met.push(fault.id);
            fault.witness.touch();
            fault.witness.connections.add(1);
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

/// What faults do to all bytes of one way.
struct Shape<'a> {
    relay: &'a Relay,
    faults: Vec<&'a Arc<ActiveFault>>,
    /// What they do to its end.
    slow_closes: Vec<&'a Arc<ActiveFault>>,
}

impl<'a> Shape<'a> {
    fn of(relay: &'a Relay, conditions: &'a Conditions, direction: Direction) -> Self {
        let mut shape = Self {
            relay,
            faults: Vec::new(),
            slow_closes: Vec::new(),
        };
        let client_id = relay.exchange.client_id();
        for one in &conditions.shaping {
            match one.fault.effect {
                _ if !one.fault.is_for(client_id) => {}
                Effect::Latency { ways, .. } | Effect::Bandwidth { ways, .. }
                    if ways.include(direction) =>
                {
                    shape.faults.push(one);
                }
                Effect::SlowClose { .. } => shape.slow_closes.push(one),
                _ => {}
            }
        }
        shape
    }

    /// Whether anything waits for a time.
    fn delays(&self) -> bool {
        !self.faults.is_empty() || !self.slow_closes.is_empty()
    }

    fn is_none(&self) -> bool {
        self.faults.is_empty()
    }

    /// Appends bytes to a line as the faults have it.
    fn push(&self, line: &mut Line, bytes: Vec<u8>, after: Duration) {
        let mut latency = after;
        let mut rate: Option<u64> = None;
        for fault in &self.faults {
            self.relay.meet(fault);
            fault.witness.bytes(bytes.len());
            latency += fault.latency();
            if let Effect::Bandwidth { bytes_per_s, .. } = fault.fault.effect {
                rate = Some(rate.map_or(bytes_per_s, |it| it.min(bytes_per_s)));
            }
        }
        line.push(bytes, latency, rate);
    }
}

impl Wait {
    fn to_read(readable: bool) -> Self {
        Self {
            readable,
            ..Self::default()
        }
    }
}

impl<'a> Way<'a> {
    fn new(from: &'a Stream, to: &'a Stream, direction: Direction, protocol: &Protocol) -> Self {
        Self {
            from,
            to,
            direction,
            inspector: match (protocol, direction) {
                (_, Direction::ToUpstream) => Inspector::Asking(Asking::default()),
                (_, Direction::ToClient) => Inspector::Answering(Answering::default()),
            },
            conduit: Conduit::default(),
            incoming: Incoming::default(),
            passing: 0,
            waits_since: None,
            line: Line::default(),
            goes_by: None,
            shaped: false,
            ended: false,
            end_queued: false,
        }
    }

    fn go_by(&mut self, conditions: &Arc<Conditions>) {
        let is_known = |it: &Arc<Conditions>| Arc::ptr_eq(it, conditions);
        if !self.goes_by.as_ref().is_some_and(is_known) {
            self.goes_by = Some(Arc::clone(conditions));
        }
    }

    /// Reads once; whether anything came, be it the end.
    fn read(&mut self, shape: &Shape<'_>, totals: &Totals) -> Result<bool, Reset> {
        let unseen = self.inspector.passes_unseen();
        // No byte overtakes another.
        let is_next = self.incoming.bytes().is_empty() && self.line.is_empty();
        let passes = is_next && shape.is_none();
        if passes && unseen >= UNSEEN_BYTES_MIN {
            let filled = self.conduit.fill(self.from, unseen);
            match filled.map_err(|_| Reset::Failed)? {
                Filled::NoWay => {}
                Filled::Nothing => return Ok(false),
                Filled::Bytes(bytes) => {
                    self.inspector.passed_unseen(bytes);
                    totals.spliced.add(bytes);
                    return Ok(true);
                }
                Filled::End => return Ok(self.end()),
            }
        }
        let most = if passes && self.inspector.expects_unseen() {
            unseen + HEAD_BYTES
        } else {
            usize::MAX
        };
        let read = self.incoming.read(self.from, most);
        let read = read.map_err(|_| Reset::Failed)?;
        Ok(match read {
            None => false,
            Some(0) => self.end(),
            Some(_) => true,
        })
    }

    /// Nothing follows. It is not taken for the end before all is delivered that
    /// came first, though that has not been tried yet.
    fn end(&mut self) -> bool {
        self.ended = self.conduit.held() == 0;
        self.ended
    }

    /// Whether what is to be delivered goes along with what comes next, for
    /// which it waits in the conduit: each write wakes the receiver, and a head
    /// by itself is of no use to it.
    fn gather(&mut self, shape: &Shape<'_>) -> bool {
        self.inspector.expects_unseen()
            && shape.is_none()
            && self.line.is_empty()
            && self.passing <= HEAD_BYTES + UNSEEN_BYTES_MIN
            && self.passing + UNSEEN_BYTES_MIN <= self.conduit.room()
            && self.push()
            && self.conduit.held() > 0
    }

    /// Until when to wait for more of what cannot be decided yet, or for what
    /// else there is to wait for.
    fn wait_for_more(
        &mut self,
        may_read: bool,
        until: Option<Instant>,
    ) -> Result<Option<Instant>, Reset> {
        let undecided = self.incoming.bytes().len() - self.passing;
        if undecided == 0 || !may_read {
            self.waits_since = None;
            return Ok(until);
        }
        let latest = *self.waits_since.get_or_insert_with(Instant::now) + HELD_LIMIT;
        if Instant::now() >= latest {
            return Err(Reset::Closed(CloseReason::Slow { bytes: undecided }));
        }
        Ok(Some(until.map_or(latest, |it| it.min(latest))))
    }

    /// Reads once and forgets it, with all that was held; says how much.
    fn swallow(&mut self) -> usize {
        self.passing = 0;
        self.waits_since = None;
        let mut swallowed = self.line.clear() + self.conduit.discard() + self.incoming.clear();
        match self.incoming.read(self.from, usize::MAX) {
            Ok(None) => {}
            Ok(Some(0)) | Err(_) => self.ended = true,
            Ok(Some(bytes)) => swallowed += bytes,
        }
        self.incoming.clear();
        self.incoming.rest();
        swallowed
    }

    /// Delivers something else in place of what comes next.
    fn instead(
        &mut self,
        bytes: usize,
        mut with: Vec<u8>,
        after: Duration,
        shape: &Shape<'_>,
    ) -> Result<(), Reset> {
        let goes_along = self.conduit.held() > 0 && after.is_zero() && shape.is_none();
        if goes_along && self.push() {
            with.drain(..self.conduit.push(&with));
        }
        if !goes_along || self.passing > 0 || !with.is_empty() {
            self.queue(shape)?;
        }
        if !with.is_empty() {
            shape.push(&mut self.line, with, after);
        }
        self.incoming.take(bytes);
        Ok(())
    }

    /// Puts what passes into the conduit, as far as it fits; whether all did.
    fn push(&mut self) -> bool {
        if self.passing > 0 {
            let passing = &self.incoming.bytes()[..self.passing];
            let pushed = self.conduit.push(passing);
            self.passing -= pushed;
            self.incoming.take(pushed);
        }
        self.passing == 0
    }

    /// Puts what passes into the line, behind what is there.
    fn queue(&mut self, shape: &Shape<'_>) -> Result<(), Reset> {
        if self.conduit.held() > 0 {
            let passing = self.conduit.take_back().map_err(|_| Reset::Failed)?;
            shape.push(&mut self.line, passing, Duration::ZERO);
        }
        if self.passing > 0 {
            let passing = self.incoming.bytes()[..self.passing].to_vec();
            shape.push(&mut self.line, passing, Duration::ZERO);
            self.incoming.take(self.passing);
            self.passing = 0;
        }
        Ok(())
    }

    /// Nothing follows: the end goes behind all that is on its way.
    fn queue_end(&mut self, shape: &Shape<'_>, relay: &Relay) -> Result<(), Reset> {
        let undecided = self.incoming.bytes().len() - self.passing;
        let whole = match (&relay.protocol, &self.inspector) {
            (Protocol::Opaque, _) => true,
            (_, Inspector::Asking(asking)) => asking.is_between_frames(),
            (_, Inspector::Answering(answering)) => answering.is_between_frames(),
        };
        if undecided > 0 || !whole {
            return Err(Reset::Closed(CloseReason::HalfFrame { bytes: undecided }));
        }
        let mut delay = Duration::ZERO;
        for fault in &shape.slow_closes {
            if let Effect::SlowClose { delay_ms } = fault.fault.effect {
                relay.meet(fault);
                fault.witness.touch();
                delay += Duration::from_millis(delay_ms);
            }
        }
        self.queue(shape)?;
        self.line.push_end(delay);
        self.end_queued = true;
        Ok(())
    }

    /// Writes what can be written now.
    fn write(&mut self, shape: &Shape<'_>, totals: &Totals) -> Result<Delivery, Reset> {
        let direction = self.direction;
        let delivered = |bytes| totals.delivered.add(direction, bytes);
        if !shape.is_none() {
            self.queue(shape)?;
        }
        let delivery = self
            .line
            .deliver(self.to, delivered)
            .map_err(|_| Reset::Failed)?;
        match delivery {
            Delivery::Empty => {}
            Delivery::NotBefore(_) => {
                self.queue(shape)?;
                return Ok(delivery);
            }
            _ => return Ok(delivery),
        }
        let poured = self.conduit.pour(self.to).map_err(|_| Reset::Failed)?;
        totals.delivered.add(direction, poured);
        if self.conduit.held() > 0 {
            return Ok(Delivery::Blocked);
        }
        if self.passing == 0 {
            return Ok(Delivery::Empty);
        }
        let passing = &self.incoming.bytes()[..self.passing];
        let written = self.to.write_now(passing).map_err(|_| Reset::Failed)?;
        totals.delivered.add(direction, written);
        self.passing -= written;
        self.incoming.take(written);
        Ok(if self.passing > 0 {
            Delivery::Blocked
        } else {
            Delivery::Empty
        })
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

enum Undialled {
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

    use crate::{ClusterProxy, ClusterSettings, Note};

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
            advertised_host: None,
        };
        let hear = Arc::new(move |note| {
            if let Note::Closed { reason, .. } = note {
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
