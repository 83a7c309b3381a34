//! What a client tells, copied out of librdkafka's own events.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::slice;

use crate::functions::{Message, NativeEvent};
use crate::library::{Librdkafka, text};
use crate::list::{PartitionOffset, positions};
use crate::{Code, Error};

// `rd_kafka_event_type_t`, the same in all versions.
pub(crate) const DELIVERY_REPORT: c_int = 0x1;
const FETCH: c_int = 0x2;
const LOG: c_int = 0x4;
pub(crate) const ERROR: c_int = 0x8;
pub(crate) const REBALANCE: c_int = 0x10;
pub(crate) const OFFSET_COMMIT: c_int = 0x20;
pub(crate) const STATISTICS: c_int = 0x40;

/// What a client tells.
#[derive(Debug)]
pub enum QueueEvent {
    /// What became of records.
    Deliveries(Vec<Delivery>),
    /// A record that was read.
    Consumed(ConsumedMessage),
    /// Partitions are assigned or revoked: the client waits until it is told
    /// that this is done ([`crate::ConsumerClient::carry_out`]).
    Rebalance(Rebalance),
    /// A commit that the client made by itself was answered.
    Committed {
        /// What was committed.
        offsets: Vec<PartitionOffset>,
        /// Why it failed.
        error: Option<Error>,
    },
    /// An error that answers no call.
    Error(Error),
    /// The client's count of itself, in JSON (librdkafka's `STATISTICS.md`).
    Statistics(String),
    /// A line for the log.
    Log {
        /// What it is about.
        facility: String,
        /// The line.
        text: String,
    },
    /// Another one: nothing that was asked for.
    Other,
}

/// What became of a record that a producer took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The record's, as it was handed over.
    pub id: usize,
    /// Its topic.
    pub topic: String,
    /// Its partition; a negative number where it never had one.
    pub partition: i32,
    /// The offset that the client names.
    pub offset: i64,
    /// Whether it is stored.
    pub persistence: Persistence,
    /// Why it was not delivered.
    pub error: Option<Error>,
}

/// What the client says of whether a record is stored
/// (`rd_kafka_message_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing that it heard says that it could be.
    No,
    /// An attempt was not answered, or no answer is asked for (`acks=0`).
    Possible,
    /// A broker said so, or the client concluded it from what a broker said.
    Yes,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedMessage {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Partitions that are assigned or revoked.
pub struct Rebalance {
    event: Raw,
    /// Whether they are assigned, and not revoked; otherwise why neither.
    pub assigned: Result<bool, Error>,
    /// The partitions.
    pub partitions: Vec<PartitionOffset>,
}

impl Rebalance {
    /// librdkafka's own list.
    pub(crate) fn list(&self) -> *mut crate::functions::NativeList {
        let functions = self.event.library.functions;
        // SAFETY: alive: the event is ours, and the list is part of it.
        unsafe { (functions.rd_kafka_event_topic_partition_list)(self.event.raw) }
    }
}

impl std::fmt::Debug for Rebalance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.assigned, self.partitions)
    }
}

/// An event that we own.
pub(crate) struct Raw {
    library: Librdkafka,
    raw: *mut NativeEvent,
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: alive: it is ours, and nothing else destroys it.
        unsafe { (self.library.functions.rd_kafka_event_destroy)(self.raw) }
    }
}

impl Raw {
    /// Takes over an event.
    ///
    /// # Safety
    /// The caller owns `raw`, which is not null.
    pub(crate) const unsafe fn owned(library: Librdkafka, raw: *mut NativeEvent) -> Self {
        Self { library, raw }
    }

    /// What it says, unless it is a record: one that is read counts as handed
    /// out.
    pub(crate) fn read_unless_record(self) -> QueueEvent {
        // SAFETY: alive: the event is ours.
        match unsafe { (self.library.functions.rd_kafka_event_type)(self.raw) } {
            FETCH => QueueEvent::Other,
            _ => self.read(),
        }
    }

    /// What it says.
    pub(crate) fn read(self) -> QueueEvent {
        let functions = self.library.functions;
        // SAFETY: for all below: alive: the event is ours, and what it lends is
        // copied before it is dropped. As documented: each kind of event is
        // asked for what that kind has.
        match unsafe { (functions.rd_kafka_event_type)(self.raw) } {
            DELIVERY_REPORT => QueueEvent::Deliveries(self.messages(delivery)),
            FETCH => self.fetched(),
            LOG => self.log(),
            ERROR => QueueEvent::Error(self.error()),
            REBALANCE => {
                let assigned = match unsafe { (functions.rd_kafka_event_error)(self.raw) } {
                    code if Code(code) == Code::LOCAL_ASSIGN_PARTITIONS => Ok(true),
                    code if Code(code) == Code::LOCAL_REVOKE_PARTITIONS => Ok(false),
                    _ => Err(self.error()),
                };
                QueueEvent::Rebalance(Rebalance {
                    assigned,
                    partitions: self.positions(),
                    event: self,
                })
            }
            OFFSET_COMMIT => {
                let code = unsafe { (functions.rd_kafka_event_error)(self.raw) };
                QueueEvent::Committed {
                    offsets: self.positions(),
                    error: Error::of_code(self.library, code).err(),
                }
            }
            STATISTICS => {
                QueueEvent::Statistics(unsafe { text((functions.rd_kafka_event_stats)(self.raw)) })
            }
            _ => QueueEvent::Other,
        }
    }

    /// All messages of the event.
    fn messages<T>(&self, copy: unsafe fn(Librdkafka, &Message) -> T) -> Vec<T> {
        let next = self.library.functions.rd_kafka_event_message_next;
        let mut all = Vec::new();
        loop {
            // SAFETY: alive: the event is ours; a message lives as long as it.
            let message = unsafe { next(self.raw).as_ref() };
            let Some(message) = message else {
                return all;
            };
            // SAFETY: it is a message of librdkafka's.
            all.push(unsafe { copy(self.library, message) });
        }
    }

    fn fetched(&self) -> QueueEvent {
        match self.messages(received).pop() {
            Some(Ok(received)) => QueueEvent::Consumed(received),
            Some(Err(error)) => QueueEvent::Error(error),
            None => QueueEvent::Other,
        }
    }

    fn positions(&self) -> Vec<PartitionOffset> {
        let functions = self.library.functions;
        // SAFETY: alive: the event is ours, and the list, which may be null, is
        // part of it.
        unsafe { positions((functions.rd_kafka_event_topic_partition_list)(self.raw)) }
    }

    fn error(&self) -> Error {
        let functions = self.library.functions;
        // SAFETY: alive: the event is ours, and its text lives as long as it.
        unsafe {
            Error {
                is_fatal: (functions.rd_kafka_event_error_is_fatal)(self.raw) != 0,
                ..Error::new(
                    self.library,
                    Code((functions.rd_kafka_event_error)(self.raw)),
                    Some(text((functions.rd_kafka_event_error_string)(self.raw))),
                )
            }
        }
    }

    fn log(&self) -> QueueEvent {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: alive: the event is ours, and its texts live as long as it;
        // where there are none, they stay null.
        unsafe {
            (self.library.functions.rd_kafka_event_log)(
                self.raw,
                &raw mut facility,
                &raw mut line,
                &raw mut level,
            );
            QueueEvent::Log {
                facility: text(facility),
                text: text(line),
            }
        }
    }
}

/// # Safety
/// `message` is one of librdkafka's, of a delivery report.
unsafe fn delivery(library: Librdkafka, message: &Message) -> Delivery {
    let functions = library.functions;
    // SAFETY: as documented: it only reads a field of a message that librdkafka
    // made.
    let status = unsafe { (functions.rd_kafka_message_status)(message) };
    Delivery {
        id: message.private.addr(),
        // SAFETY: the caller's: the message has a topic.
        topic: unsafe { topic_of(library, message) },
        partition: message.partition,
        offset: message.offset,
        persistence: match status {
            0 => Persistence::No,
            2 => Persistence::Yes,
            // What is not known could be anything.
            _ => Persistence::Possible,
        },
        error: Error::of_code(library, message.err).err(),
    }
}

/// # Safety
/// `message` is one of librdkafka's, of a consumer.
unsafe fn received(library: Librdkafka, message: &Message) -> Result<ConsumedMessage, Error> {
    // SAFETY: as documented: of an error the payload is its text, with a length.
    let value = unsafe { bytes(message.payload, message.len) };
    if message.err != 0 {
        let words = value.map(|it| String::from_utf8_lossy(&it).into_owned());
        return Err(Error::new(library, Code(message.err), words));
    }
    // SAFETY: as documented: payload and key, each with its length; and the
    // caller's.
    unsafe {
        Ok(ConsumedMessage {
            topic: topic_of(library, message),
            partition: message.partition,
            offset: message.offset,
            key: bytes(message.key, message.key_len),
            value,
            headers: headers(library, message),
        })
    }
}

/// # Safety
/// `message` is one of librdkafka's.
unsafe fn topic_of(library: Librdkafka, message: &Message) -> String {
    if message.rkt.is_null() {
        return String::new();
    }
    // SAFETY: alive: the topic lives as long as the message.
    unsafe { text((library.functions.rd_kafka_topic_name)(message.rkt)) }
}

/// # Safety
/// `message` is one of librdkafka's, of a consumer.
unsafe fn headers(library: Librdkafka, message: &Message) -> Vec<(String, Option<Vec<u8>>)> {
    let functions = library.functions;
    let mut list = ptr::null_mut();
    // SAFETY: the caller's; the list is the message's own. Without headers, or
    // with ones that cannot be read, there is none.
    if unsafe { (functions.rd_kafka_message_headers)(message, &raw mut list) } != 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) =
        (ptr::null(), ptr::null(), 0);
    // SAFETY: alive: the list is the message's, and so are names and values. An
    // index behind the last header is an error.
    while unsafe {
        (functions.rd_kafka_header_get_all)(
            list,
            all.len(),
            &raw mut name,
            &raw mut value,
            &raw mut size,
        )
    } == 0
    {
        // SAFETY: a name ends with a zero byte, a value has its length.
        all.push(unsafe { (text(name), bytes(value, size)) });
    }
    all
}

/// A copy of bytes; none where there are none.
///
/// # Safety
/// `data` is null or points to `size` bytes.
unsafe fn bytes(data: *const c_void, size: usize) -> Option<Vec<u8>> {
    // SAFETY: the caller's.
    (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), size) }.to_vec())
}
