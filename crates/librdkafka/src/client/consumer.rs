//! Consumers.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::handle::{Handle, Kind, millis};
use crate::config::Properties;
use crate::event::{ERROR, OFFSET_COMMIT, QueueEvent, REBALANCE, Rebalance, STATISTICS};
use crate::functions::{GroupMetadata, NativeList, RdKafka};
use crate::library::{Librdkafka, text};
use crate::list::{List, Partition, PartitionOffset, positions};
use crate::{Code, Error};

/// A consumer, a member of a group.
pub struct ConsumerClient {
    // Dropped before what its callback is given.
    handle: Handle,
    /// Commits that were answered inside of [`ConsumerClient::close`].
    answers: Box<Answers>,
}

/// Commits that a callback was told of.
struct Answers {
    library: Librdkafka,
    told: Mutex<Vec<QueueEvent>>,
}

impl ConsumerClient {
    /// Makes a consumer.
    ///
    /// # Errors
    /// librdkafka's words.
    pub fn new(mut config: Properties) -> Result<Self, String> {
        let library = config.library;
        let functions = library.functions;
        let answers = Box::new(Answers {
            library,
            told: Mutex::default(),
        });
        if functions.rd_kafka_consumer_close_queue.is_none() {
            let opaque = ptr::from_ref::<Answers>(&answers).cast_mut().cast();
            // Both are called for what has no event: inside of `close`.
            // SAFETY: alive: the configuration is ours. What the callbacks are
            // given is in a box, whose address stays, and which is dropped
            // after the client.
            unsafe {
                (functions.rd_kafka_conf_set_opaque)(config.raw(), opaque);
                (functions.rd_kafka_conf_set_offset_commit_cb)(config.raw(), committed);
                (functions.rd_kafka_conf_set_rebalance_cb)(config.raw(), rebalanced);
            }
        }
        let events = REBALANCE | OFFSET_COMMIT | ERROR | STATISTICS;
        let handle = Handle::new(Kind::Consumer, config, events)?;
        Ok(Self { handle, answers })
    }

    /// The next event, within `wait`.
    pub fn poll(&self, wait: Duration) -> Option<QueueEvent> {
        self.handle.poll(wait)
    }

    /// The same while it is being closed: records are left out, and do not count
    /// as handed out, so that their offsets are not committed.
    pub fn poll_without_records(&self, wait: Duration) -> Option<QueueEvent> {
        self.handle.poll_without_records(wait)
    }

    /// The value of a property in force, after what librdkafka adjusts.
    pub fn in_force(&self, key: &str) -> Option<String> {
        self.handle.in_force(key)
    }

    /// What ended the client for good, if something did.
    pub fn fatal_error(&self) -> Option<Error> {
        self.handle.fatal_error()
    }

    /// Subscribes to topics.
    ///
    /// # Errors
    /// The client's.
    pub fn subscribe(&self, topics: &[String]) -> Result<(), Error> {
        let topics = topics.iter().map(|topic| PartitionOffset {
            topic: topic.clone(),
            partition: -1,
            offset: 0,
        });
        let list = List::of(self.library(), &topics.collect::<Vec<_>>());
        // SAFETY: alive: client and list are ours; it copies the list.
        let code = unsafe { (self.functions().rd_kafka_subscribe)(self.handle.raw, list.raw()) };
        self.handle.checked(code)
    }

    /// Whether partitions that are revoked were lost: another member may have
    /// them already. Versions before 1.6 do not tell.
    pub fn has_lost_its_assignment(&self) -> bool {
        let ask = self.functions().rd_kafka_assignment_lost;
        // SAFETY: alive: the client is ours.
        ask.is_some_and(|ask| unsafe { ask(self.handle.raw) } != 0)
    }

    /// Takes or gives up the partitions of a rebalance, incrementally where the
    /// group's protocol is cooperative (KIP-429).
    ///
    /// # Errors
    /// The client's.
    pub fn carry_out(&self, rebalance: &Rebalance) -> Result<(), Error> {
        // SAFETY: alive: client and list are ours.
        unsafe {
            carry_out(
                self.library(),
                self.handle.raw,
                rebalance.assigned.as_ref().ok().copied(),
                rebalance.list(),
            )
        }
    }

    /// The partitions that it has.
    ///
    /// # Errors
    /// The client's.
    pub fn assignment(&self) -> Result<Vec<Partition>, Error> {
        let mut list = ptr::null_mut();
        // SAFETY: alive: the client is ours, and so is the list.
        let (code, list) = unsafe {
            let ask = self.functions().rd_kafka_assignment;
            let code = ask(self.handle.raw, &raw mut list);
            (code, List::owned(self.library(), list))
        };
        self.handle.checked(code)?;
        let partitions = list.positions().into_iter();
        let partitions = partitions.map(|it| Partition {
            topic: it.topic,
            partition: it.partition,
        });
        Ok(partitions.collect())
    }

    /// Commits positions, and waits for the answer.
    ///
    /// # Errors
    /// The answer, or that there is none.
    pub fn commit(&self, offsets: &[PartitionOffset]) -> Result<(), Error> {
        const AND_WAIT: c_int = 0;
        let list = List::of(self.library(), offsets);
        // SAFETY: alive: client and list are ours.
        let code =
            unsafe { (self.functions().rd_kafka_commit)(self.handle.raw, list.raw(), AND_WAIT) };
        self.handle.checked(code)
    }

    /// Reads a partition from a place next.
    ///
    /// # Errors
    /// The client's; none came within `wait`.
    pub fn seek(&self, to: &PartitionOffset, wait: Duration) -> Result<(), Error> {
        let functions = self.functions();
        let name = self.handle.c_string(&to.topic)?;
        // SAFETY: alive: the client is ours, and the topic until it is destroyed.
        let code = unsafe {
            let topic =
                (functions.rd_kafka_topic_new)(self.handle.raw, name.as_ptr(), ptr::null_mut());
            if topic.is_null() {
                (functions.rd_kafka_last_error)()
            } else {
                let code = (functions.rd_kafka_seek)(topic, to.partition, to.offset, millis(wait));
                (functions.rd_kafka_topic_destroy)(topic);
                code
            }
        };
        self.handle.checked(code)
    }

    /// Begins to leave the group. Events, the last revocation among them, come
    /// by [`ConsumerClient::poll`] until [`ConsumerClient::is_closed`]. Whether this version
    /// can do so; versions before 1.9 can only [`ConsumerClient::close`].
    ///
    /// # Errors
    /// The client's.
    pub fn begin_to_close(&self) -> Result<bool, Error> {
        let Some(close) = self.functions().rd_kafka_consumer_close_queue else {
            return Ok(false);
        };
        // SAFETY: alive: client, queue and the error are ours.
        let error = unsafe { close(self.handle.raw, self.handle.queue) };
        // SAFETY: as above.
        unsafe { Error::take(self.library(), error) }.map(|()| true)
    }

    /// Whether it has left the group.
    pub fn is_closed(&self) -> bool {
        let ask = self.functions().rd_kafka_consumer_closed;
        // SAFETY: alive: the client is ours.
        ask.is_some_and(|ask| unsafe { ask(self.handle.raw) } != 0)
    }

    /// Gives up all partitions and leaves the group, and waits for it; the
    /// commits that were answered meanwhile.
    ///
    /// # Errors
    /// The client's.
    pub fn close(&self) -> Result<Vec<QueueEvent>, Error> {
        // SAFETY: alive: the client is ours.
        let code = unsafe { (self.functions().rd_kafka_consumer_close)(self.handle.raw) };
        let mut told = self
            .answers
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let told = std::mem::take(&mut *told);
        self.handle.checked(code).map(|()| told)
    }

    const fn library(&self) -> Librdkafka {
        self.handle.library
    }

    const fn functions(&self) -> &'static crate::functions::Functions {
        self.handle.library.functions
    }
}

/// Takes the partitions of a rebalance, or gives them up, incrementally where
/// the group's protocol is cooperative (KIP-429). Where it is neither of both,
/// gives up all.
///
/// # Safety
/// Client and list live during the call.
unsafe fn carry_out(
    library: Librdkafka,
    client: *mut RdKafka,
    assigned: Option<bool>,
    list: *mut NativeList,
) -> Result<(), Error> {
    let functions = library.functions;
    let protocol = functions.rd_kafka_rebalance_protocol;
    // SAFETY: the caller's; the text is a constant.
    let protocol = protocol.map(|ask| unsafe { text(ask(client)) });
    let incremental = match (protocol.as_deref(), assigned) {
        (Some("COOPERATIVE"), Some(true)) => functions.rd_kafka_incremental_assign,
        (Some("COOPERATIVE"), Some(false)) => functions.rd_kafka_incremental_unassign,
        _ => None,
    };
    if let Some(incremental) = incremental {
        // SAFETY: the caller's: it copies the list; the error is ours.
        return unsafe { Error::take(library, incremental(client, list)) };
    }
    let list = match assigned {
        Some(true) => list,
        _ => ptr::null_mut(),
    };
    // SAFETY: the caller's: it copies the list. As documented: without a list it
    // unassigns all.
    let code = unsafe { (functions.rd_kafka_assign)(client, list) };
    Error::of_code(library, code)
}

/// Gives up partitions while nothing polls.
///
/// # Safety
/// librdkafka calls it, with the [`Answers`] that the client was made with.
unsafe extern "C" fn rebalanced(
    client: *mut RdKafka,
    code: c_int,
    list: *mut NativeList,
    answers: *mut c_void,
) {
    let assigned = match Code(code) {
        Code::LOCAL_ASSIGN_PARTITIONS => Some(true),
        Code::LOCAL_REVOKE_PARTITIONS => Some(false),
        _ => None,
    };
    // SAFETY: alive: the box of the consumer outlives its client, and is only
    // ever borrowed to read; client and list live during the call.
    let carried_out = unsafe {
        let answers = &*answers.cast::<Answers>();
        carry_out(answers.library, client, assigned, list).map_err(|error| (answers, error))
    };
    if let Err((answers, error)) = carried_out {
        let mut told = answers.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(QueueEvent::Error(error));
    }
}

/// Notes a commit that was answered while nothing polls.
///
/// # Safety
/// librdkafka calls it, with the [`Answers`] that the client was made with.
unsafe extern "C" fn committed(
    _: *mut RdKafka,
    code: c_int,
    list: *mut NativeList,
    answers: *mut c_void,
) {
    // SAFETY: alive: the box of the consumer outlives its client, and is only
    // ever borrowed to read; the list lives during the call.
    let (answers, offsets) = unsafe { (&*answers.cast::<Answers>(), positions(list)) };
    let error = Error::of_code(answers.library, code).err();
    let mut told = answers.told.lock().unwrap_or_else(PoisonError::into_inner);
    told.push(QueueEvent::Committed { offsets, error });
}

/// The metadata of a consumer's group.
pub(super) struct Metadata {
    library: Librdkafka,
    raw: *mut GroupMetadata,
}

impl Metadata {
    pub(super) fn of(consumer: &ConsumerClient) -> Result<Self, Error> {
        let library = consumer.library();
        let ask = library.functions.rd_kafka_consumer_group_metadata;
        // SAFETY: alive: the client is ours, and so is what it returns.
        let raw = unsafe { ask(consumer.handle.raw) };
        if raw.is_null() {
            let words = "the client has no metadata of its group".to_owned();
            return Err(Error::new(library, Code::LOCAL_STATE, Some(words)));
        }
        Ok(Self { library, raw })
    }

    pub(super) const fn raw(&self) -> *const GroupMetadata {
        self.raw
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        let destroy = self
            .library
            .functions
            .rd_kafka_consumer_group_metadata_destroy;
        // SAFETY: alive: it is ours, and nothing else destroys it.
        unsafe { destroy(self.raw) }
    }
}
