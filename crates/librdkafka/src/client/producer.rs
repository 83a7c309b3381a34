//! Producers.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::time::Duration;

use super::consumer::Metadata;
use super::handle::{Handle, Kind, millis, token};
use crate::config::Properties;
use crate::event::{DELIVERY_REPORT, ERROR, QueueEvent, STATISTICS};
use crate::functions::Headers;
use crate::list::List;
use crate::{ConsumerClient, Error, PartitionOffset};

/// A producer.
pub struct ProducerClient(Handle);

/// A record to send.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'r> {
    /// Comes back with its [`crate::Delivery`].
    pub id: usize,
    /// Its topic.
    pub topic: &'r str,
    /// Its partition; librdkafka's partitioner decides where there is none.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// Its value.
    pub value: Option<&'r [u8]>,
    /// Names and values of its headers.
    pub headers: &'r [(&'r str, Option<&'r [u8]>)],
}

// `rd_kafka_vtype_t`: what comes next among the arguments.
const END: c_int = 0;
const TOPIC: c_int = 1;
const PARTITION: c_int = 3;
const VALUE: c_int = 4;
const KEY: c_int = 5;
const OPAQUE: c_int = 6;
const FLAGS: c_int = 7;
const HEADERS: c_int = 10;
/// librdkafka copies the value; it copies keys in any case.
const COPY: c_int = 2;
/// `RD_KAFKA_PARTITION_UA`: the partitioner decides.
const UNASSIGNED: i32 = -1;

impl ProducerClient {
    /// Makes a producer.
    ///
    /// # Errors
    /// librdkafka's words.
    pub fn new(config: Properties) -> Result<Self, String> {
        Handle::new(Kind::Producer, config, DELIVERY_REPORT | ERROR | STATISTICS).map(Self)
    }

    /// The next event, within `wait`.
    pub fn poll(&self, wait: Duration) -> Option<QueueEvent> {
        self.0.poll(wait)
    }

    /// The value of a property in force, after what librdkafka adjusts.
    pub fn in_force(&self, key: &str) -> Option<String> {
        self.0.in_force(key)
    }

    /// What ended the client for good, if something did.
    pub fn fatal_error(&self) -> Option<Error> {
        self.0.fatal_error()
    }

    /// Asks the partition's leader where its log begins and ends.
    ///
    /// # Errors
    /// Where no answer came within `wait`, or one that is an error.
    pub fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        wait: Duration,
    ) -> Result<(i64, i64), Error> {
        self.0.watermarks(topic, partition, wait)
    }

    /// Hands a record to the client, which copies it.
    ///
    /// # Errors
    /// The client did not take it: `_QUEUE_FULL` where its buffer is full.
    pub fn send(&self, record: &OutgoingMessage<'_>) -> Result<(), Error> {
        let topic = self.0.c_string(record.topic)?;
        let partition = record.partition.unwrap_or(UNASSIGNED);
        let (value, value_size) = pointer(record.value);
        let (key, key_size) = pointer(record.key);
        let send = self.0.library.functions.rd_kafka_producev;
        let headers = match record.headers {
            [] => ptr::null_mut(),
            headers => self.headers(headers)?,
        };
        // What stands behind the end is not read.
        let headers_or_end = if headers.is_null() { END } else { HEADERS };
        // SAFETY: alive: the client is ours, and what is pointed to lives
        // during the call, which copies it; the headers are the client's once
        // it has taken the record. As documented: each kind of argument is
        // followed by its values, in C's own types.
        let code = unsafe {
            send(
                self.0.raw,
                TOPIC,
                topic.as_ptr(),
                PARTITION,
                partition,
                FLAGS,
                COPY,
                VALUE,
                value,
                value_size,
                KEY,
                key,
                key_size,
                OPAQUE,
                token(record.id),
                headers_or_end,
                headers,
                END,
            )
        };
        if code != 0 && !headers.is_null() {
            // SAFETY: alive: the client did not take them, so they are ours.
            unsafe { (self.0.library.functions.rd_kafka_headers_destroy)(headers) }
        }
        self.0.checked(code)
    }

    fn headers(&self, headers: &[(&str, Option<&[u8]>)]) -> Result<*mut Headers, Error> {
        let functions = self.0.library.functions;
        let names = headers.iter().map(|(name, _)| self.0.c_string(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        // SAFETY: as documented: the number is a hint. Names and values live
        // during the call, which copies them; -1 is the length of a text.
        unsafe {
            let list = (functions.rd_kafka_headers_new)(headers.len());
            for (name, (_, value)) in names.iter().zip(headers) {
                let (value, size) = pointer(*value);
                let size = isize::try_from(size).unwrap_or(isize::MAX);
                (functions.rd_kafka_header_add)(list, name.as_ptr(), -1, value, size);
            }
            Ok(list)
        }
    }

    /// Begins to use the `transactional.id`.
    ///
    /// # Errors
    /// The client's; retriable where no answer came within `wait`.
    pub fn init_transactions(&self, wait: Duration) -> Result<(), Error> {
        let functions = self.0.library.functions;
        // SAFETY: alive: the client is ours, and so is the error.
        unsafe {
            let error = (functions.rd_kafka_init_transactions)(self.0.raw, millis(wait));
            Error::take(self.0.library, error)
        }
    }

    /// How long a call about an open transaction may take, as librdkafka takes
    /// it. Before 2.0.0 a call that was given up could not be made again: the
    /// transaction had failed. -1 is what `rdkafka.h` recommends then, the time
    /// that the transaction has left.
    fn answer(&self, wait: Duration) -> c_int {
        const RESUMES: c_int = 0x0200_0000;
        // SAFETY: as documented: it takes nothing and returns a number.
        let version = unsafe { (self.0.library.functions.rd_kafka_version)() };
        if version < RESUMES { -1 } else { millis(wait) }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// The client's.
    pub fn begin_transaction(&self) -> Result<(), Error> {
        let functions = self.0.library.functions;
        // SAFETY: alive: the client is ours, and so is the error.
        unsafe {
            let error = (functions.rd_kafka_begin_transaction)(self.0.raw);
            Error::take(self.0.library, error)
        }
    }

    /// Hands positions of a consumer to the transaction, with the metadata of
    /// its group (KIP-447).
    ///
    /// # Errors
    /// As [`ProducerClient::init_transactions`].
    pub fn send_offsets(
        &self,
        offsets: &[PartitionOffset],
        of: &ConsumerClient,
        wait: Duration,
    ) -> Result<(), Error> {
        let library = self.0.library;
        let list = List::of(library, offsets);
        let metadata = Metadata::of(of)?;
        // SAFETY: alive: client, list and metadata are ours, and so is the error.
        unsafe {
            let error = (library.functions.rd_kafka_send_offsets_to_transaction)(
                self.0.raw,
                list.raw(),
                metadata.raw(),
                self.answer(wait),
            );
            Error::take(library, error)
        }
    }

    /// Commits the transaction. Records must have been delivered: the client
    /// waits for its caller to poll their outcomes.
    ///
    /// # Errors
    /// As [`ProducerClient::init_transactions`].
    pub fn commit_transaction(&self, wait: Duration) -> Result<(), Error> {
        let functions = self.0.library.functions;
        // SAFETY: alive: the client is ours, and so is the error.
        unsafe {
            let error = (functions.rd_kafka_commit_transaction)(self.0.raw, self.answer(wait));
            Error::take(self.0.library, error)
        }
    }

    /// Aborts the transaction.
    ///
    /// # Errors
    /// As [`ProducerClient::init_transactions`].
    pub fn abort_transaction(&self, wait: Duration) -> Result<(), Error> {
        let functions = self.0.library.functions;
        // SAFETY: alive: the client is ours, and so is the error.
        unsafe {
            let error = (functions.rd_kafka_abort_transaction)(self.0.raw, self.answer(wait));
            Error::take(self.0.library, error)
        }
    }
}

/// Bytes as C takes them. Empty ones have an address, which tells them from
/// none.
fn pointer(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |it| (it.as_ptr().cast(), it.len()))
}
