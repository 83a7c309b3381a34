//! What the two ways of one connection know of each other: the requests that
//! wait for their answers, in order, and what is to become of these. Knows
//! nothing of bytes on their way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::active_fault::ActiveFault;
use crate::fault::OnDrop;
use crate::limits::IN_FLIGHT_MAX;
use crate::topic_error::TopicError;

/// A request whose answer is to come.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) correlation: i32,
    pub(crate) api: i16,
    pub(crate) version: i16,
    pub(crate) fate: ResponseFate,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(crate) enum ResponseFate {
    /// It is delivered.
    Delivered,
    /// It is delivered later.
    Delayed(Duration, Arc<ActiveFault>),
    /// It is swallowed, and the connection with it.
    Dropped(OnDrop, Arc<ActiveFault>),
    /// It is swallowed, and this frame delivered for it.
    Replaced(Vec<u8>, Arc<ActiveFault>),
    /// It is delivered with an error of topics in it.
    Edited(TopicError, Arc<ActiveFault>),
    /// It will not come, and this frame is delivered in its turn.
    Refused(Vec<u8>),
}

/// One connection's requests in flight. A broker answers a connection's
/// requests in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    in_flight: Mutex<VecDeque<Expected>>,
    silent: AtomicBool,
    /// The `client.id` of the first request; it may have none.
    client_id: OnceLock<Option<Box<str>>>,
    /// An answer has been taken out.
    pub(crate) room: Notify,
    /// Something to deliver has come that needs no broker.
    pub(crate) ready: Notify,
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Expected>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The first request has come.
    pub(crate) fn learn_client_id(&self, client_id: Option<&str>) {
        // Only the first one counts.
        let _ = self.client_id.set(client_id.map(Box::from));
    }

    /// Whether the first request has come.
    pub(crate) fn knows_client_id(&self) -> bool {
        self.client_id.get().is_some()
    }

    /// The client's id, if it has one and it is known yet.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.get().and_then(Option::as_deref)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= IN_FLIGHT_MAX
    }

    pub(crate) fn expect(&self, expected: Expected) {
        let is_ready = matches!(expected.fate, ResponseFate::Refused(_));
        self.lock().push_back(expected);
        if is_ready {
            self.ready.notify_one();
        }
    }

    /// The frame to deliver next, if the next request was refused.
    pub(crate) fn take_refused(&self) -> Option<Vec<u8>> {
        let mut in_flight = self.lock();
        match in_flight.pop_front()? {
            Expected {
                fate: ResponseFate::Refused(frame),
                ..
            } => {
                self.room.notify_one();
                Some(frame)
            }
            other => {
                in_flight.push_front(other);
                None
            }
        }
    }

    /// The API and version of the next request, if its answer has this
    /// correlation id; else the one that it should have.
    pub(crate) fn peek(&self, correlation: i32) -> Result<(i16, i16), Option<i32>> {
        match self.lock().front() {
            Some(next) if next.correlation == correlation => Ok((next.api, next.version)),
            next => Err(next.map(|it| it.correlation)),
        }
    }

    /// Whether the next answer is swallowed, whatever it says.
    pub(crate) fn next_is_lost(&self) -> bool {
        matches!(
            self.lock().front(),
            Some(Expected {
                fate: ResponseFate::Dropped(..) | ResponseFate::Replaced(..),
                ..
            })
        )
    }

    /// Whether something is put into the next answer, which is held for that.
    pub(crate) fn next_is_edited(&self) -> bool {
        matches!(
            self.lock().front(),
            Some(Expected {
                fate: ResponseFate::Edited(..),
                ..
            })
        )
    }

    /// Takes out the next request: its answer has come.
    pub(crate) fn take(&self) -> Option<ResponseFate> {
        let taken = self.lock().pop_front();
        self.room.notify_one();
        taken.map(|it| it.fate)
    }

    /// Neither side hears anything from now on.
    pub(crate) fn silence(&self) {
        self.silent.store(true, Relaxed);
        self.room.notify_one();
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }
}
