//! One way of a connection: what was read, what is decided, and what is written.
//! Knows nothing of the link that it belongs to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use security::rustls;
use tokio::time::Instant;

use crate::counters::{Direction, Totals};
use crate::fault::FaultEffect;
use crate::incoming::Incoming;
use crate::inspect::CloseReason;
use crate::late_request::LateRequest;
use crate::limits::{HEAD_BYTES, HELD_LIMIT, UNSEEN_BYTES_MIN};
use crate::link::Conditions;
use crate::protocol::Protocol;
use crate::request_path::RequestPath;
use crate::response_path::ResponsePath;
use crate::shape::Shape;
use crate::splice::Splice;
use crate::stream::{Filled, Stream};
use crate::write_queue::{Delivery, WriteQueue};

/// Why both ends are reset.
#[derive(Debug)]
pub(crate) enum Reset {
    /// One end was reset or failed: the other shall see the same.
    Failed,
    /// The era of the connection is over.
    EraOver,
    /// A fault wants it.
    Wanted,
    /// A fault wants it, and this request is to be delivered all the same.
    Late(Box<LateRequest>),
    /// The connection cannot go on.
    Closed(CloseReason),
}

impl Reset {
    /// Why nothing more can be read.
    fn of(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|it| it.downcast_ref());
        tls.map_or(Self::Failed, |error: &rustls::Error| {
            Self::Closed(CloseReason::Tls {
                reason: error.to_string(),
            })
        })
    }
}

/// One way of a connection.
pub(crate) struct Way<'a> {
    pub(crate) from: &'a Stream,
    pub(crate) to: &'a Stream,
    pub(crate) direction: Direction,
    pub(crate) inspector: Inspector,
    /// What passes, before all that was read. While anything is in here, the
    /// queue is empty.
    pub(crate) splice: Splice,
    /// What was read and is not decided, or not delivered.
    pub(crate) incoming: Incoming,
    /// Of that, how much is to be delivered as it is.
    pub(crate) passing: usize,
    /// Since when what is not decided waits for more.
    pub(crate) waits_since: Option<Instant>,
    pub(crate) write_queue: WriteQueue,
    /// What it went by when it last had its turn.
    pub(crate) goes_by: Option<Arc<Conditions>>,
    /// A fault on all bytes was in force when they were last looked at.
    pub(crate) shaped: bool,
    /// Nothing more will be read.
    pub(crate) ended: bool,
    /// And that is in the queue.
    pub(crate) end_queued: bool,
}

pub(crate) enum Inspector {
    RequestPath(RequestPath),
    ResponsePath(ResponsePath),
}

/// What a way waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wait {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Whether what was taken may be sent on.
    pub(crate) flushes: bool,
    pub(crate) until: Option<Instant>,
}

impl Inspector {
    pub(crate) fn passes_unseen(&self) -> usize {
        match self {
            Self::RequestPath(request_path) => request_path.passes_unseen(),
            Self::ResponsePath(response_path) => response_path.passes_unseen(),
        }
    }

    pub(crate) fn passed_unseen(&mut self, bytes: usize) {
        match self {
            Self::RequestPath(request_path) => request_path.passed_unseen(bytes),
            Self::ResponsePath(response_path) => response_path.passed_unseen(bytes),
        }
    }

    pub(crate) fn expects_unseen(&self) -> bool {
        match self {
            Self::RequestPath(request_path) => request_path.expects_unseen(),
            Self::ResponsePath(response_path) => response_path.expects_unseen(),
        }
    }
}

impl Wait {
    pub(crate) fn to_read(readable: bool) -> Self {
        Self {
            readable,
            ..Self::default()
        }
    }
}

impl<'a> Way<'a> {
    pub(crate) fn new(
        from: &'a Stream,
        to: &'a Stream,
        direction: Direction,
        protocol: &Protocol,
    ) -> Self {
        Self {
            from,
            to,
            direction,
            inspector: match (protocol, direction) {
                (_, Direction::ToUpstream) => Inspector::RequestPath(RequestPath::default()),
                (_, Direction::ToClient) => Inspector::ResponsePath(ResponsePath::default()),
            },
            splice: Splice::default(),
            incoming: Incoming::default(),
            passing: 0,
            waits_since: None,
            write_queue: WriteQueue::default(),
            goes_by: None,
            shaped: false,
            ended: false,
            end_queued: false,
        }
    }

    pub(crate) fn go_by(&mut self, conditions: &Arc<Conditions>) {
        let is_known = |it: &Arc<Conditions>| Arc::ptr_eq(it, conditions);
        if !self.goes_by.as_ref().is_some_and(is_known) {
            self.goes_by = Some(Arc::clone(conditions));
        }
    }

    /// Reads once; whether anything came, be it the end.
    pub(crate) fn read(&mut self, shape: &Shape<'_>, totals: &Totals) -> Result<bool, Reset> {
        let unseen = self.inspector.passes_unseen();
        // No byte overtakes another.
        let is_next = self.incoming.bytes().is_empty() && self.write_queue.is_empty();
        let passes = is_next && shape.is_none() && self.may_splice();
        if passes && unseen >= UNSEEN_BYTES_MIN {
            let filled = self.splice.fill(self.from, unseen);
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
        let read = read.map_err(|error| Reset::of(&error))?;
        Ok(match read {
            None => false,
            Some(0) => self.end(),
            Some(_) => true,
        })
    }

    /// Whether bytes can go from one end to the other without entering this process.
    fn may_splice(&self) -> bool {
        self.from.is_plain() && self.to.is_plain()
    }

    /// Nothing follows. It is not taken for the end before all is delivered that
    /// came first, though that has not been tried yet.
    pub(crate) fn end(&mut self) -> bool {
        self.ended = self.splice.held() == 0;
        self.ended
    }

    /// Whether what is to be delivered goes along with what comes next, for
    /// which it waits in the pipe: each write wakes the receiver, and a head
    /// by itself is of no use to it.
    pub(crate) fn gather(&mut self, shape: &Shape<'_>) -> bool {
        self.inspector.expects_unseen()
            && self.may_splice()
            && shape.is_none()
            && self.write_queue.is_empty()
            && self.passing <= HEAD_BYTES + UNSEEN_BYTES_MIN
            && self.passing + UNSEEN_BYTES_MIN <= self.splice.room()
            && self.push()
            && self.splice.held() > 0
    }

    /// Until when to wait for more of what cannot be decided yet, or for what
    /// else there is to wait for.
    pub(crate) fn wait_for_more(
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
    pub(crate) fn swallow(&mut self) -> usize {
        self.passing = 0;
        self.waits_since = None;
        let mut swallowed =
            self.write_queue.clear() + self.splice.discard() + self.incoming.clear();
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
    pub(crate) fn instead(
        &mut self,
        bytes: usize,
        mut with: Vec<u8>,
        after: Duration,
        shape: &Shape<'_>,
    ) -> Result<(), Reset> {
        let goes_along = self.splice.held() > 0 && after.is_zero() && shape.is_none();
        if goes_along && self.push() {
            with.drain(..self.splice.push(&with));
        }
        if !goes_along || self.passing > 0 || !with.is_empty() {
            self.queue(shape)?;
        }
        if !with.is_empty() {
            shape.push(&mut self.write_queue, with, after);
        }
        self.incoming.take(bytes);
        Ok(())
    }

    /// Puts what passes into the pipe, as far as it fits; whether all did.
    pub(crate) fn push(&mut self) -> bool {
        if self.passing > 0 {
            let passing = &self.incoming.bytes()[..self.passing];
            let pushed = self.splice.push(passing);
            self.passing -= pushed;
            self.incoming.take(pushed);
        }
        self.passing == 0
    }

    /// Puts what passes into the queue, behind what is there.
    pub(crate) fn queue(&mut self, shape: &Shape<'_>) -> Result<(), Reset> {
        if self.splice.held() > 0 {
            let passing = self.splice.take_back().map_err(|_| Reset::Failed)?;
            shape.push(&mut self.write_queue, passing, Duration::ZERO);
        }
        if self.passing > 0 {
            let passing = self.incoming.bytes()[..self.passing].to_vec();
            shape.push(&mut self.write_queue, passing, Duration::ZERO);
            self.incoming.take(self.passing);
            self.passing = 0;
        }
        Ok(())
    }

    /// Nothing follows: the end goes behind all that is on its way.
    pub(crate) fn queue_end(
        &mut self,
        shape: &Shape<'_>,
        protocol: &Protocol,
    ) -> Result<(), Reset> {
        let undecided = self.incoming.bytes().len() - self.passing;
        let whole = match (protocol, &self.inspector) {
            (Protocol::Opaque, _) => true,
            (_, Inspector::RequestPath(request_path)) => request_path.is_between_frames(),
            (_, Inspector::ResponsePath(response_path)) => response_path.is_between_frames(),
        };
        if undecided > 0 || !whole {
            return Err(Reset::Closed(CloseReason::HalfFrame { bytes: undecided }));
        }
        let mut delay = Duration::ZERO;
        for fault in &shape.slow_closes {
            if let FaultEffect::SlowClose { delay_ms } = fault.fault.effect {
                shape.hits.count_hit(fault);
                fault.evidence.touch();
                delay += Duration::from_millis(delay_ms);
            }
        }
        self.queue(shape)?;
        self.write_queue.push_end(delay);
        self.end_queued = true;
        Ok(())
    }

    /// Writes what can be written now.
    pub(crate) fn write(&mut self, shape: &Shape<'_>, totals: &Totals) -> Result<Delivery, Reset> {
        let direction = self.direction;
        let delivered = |bytes| totals.delivered.add(direction, bytes);
        self.to.flush().map_err(|_| Reset::Failed)?;
        if !shape.is_none() {
            self.queue(shape)?;
        }
        let delivery = self
            .write_queue
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
        let poured = self.splice.pour(self.to).map_err(|_| Reset::Failed)?;
        totals.delivered.add(direction, poured);
        if self.splice.held() > 0 {
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
