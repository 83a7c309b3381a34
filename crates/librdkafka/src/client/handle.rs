//! What producers and consumers have in common: a client of librdkafka's and
//! the queue on which it tells events.

use std::ffi::{CString, c_char, c_int, c_void};
use std::time::Duration;

use crate::config::{self, Properties, WORDS};
use crate::event::{QueueEvent, Raw};
use crate::functions::{Queue, RdKafka};
use crate::library::{Librdkafka, text};
use crate::{Code, Error};

/// `rd_kafka_type_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Producer = 0,
    Consumer = 1,
}

/// A client.
pub(super) struct Handle {
    pub(super) library: Librdkafka,
    pub(super) raw: *mut RdKafka,
    pub(super) queue: *mut Queue,
}

impl Handle {
    /// Makes a client; its words where it cannot be made.
    pub(super) fn new(kind: Kind, mut config: Properties, events: c_int) -> Result<Self, String> {
        let library = config.library;
        let functions = library.functions;
        // Lines of the log come as events, too.
        config
            .set("log.queue", "true")
            .map_err(|error| error.to_string())?;
        let mut words = [0 as c_char; WORDS];
        // SAFETY: alive: the configuration is ours, and the client's own once
        // it is made. As documented: room for words in its length.
        let raw = unsafe {
            (functions.rd_kafka_conf_set_events)(config.raw(), events);
            (functions.rd_kafka_new)(kind as c_int, config.raw(), words.as_mut_ptr(), words.len())
        };
        if raw.is_null() {
            // SAFETY: it starts as zeros, and librdkafka ends its words with one.
            return Err(unsafe { text(words.as_ptr()) });
        }
        config.into_raw();
        // SAFETY: alive: the client is ours. Each call that gets a queue counts
        // a reference, which is given back when the handle is dropped. The
        // queue of the log's lines is the main one, which a consumer with a
        // group reads on its own queue; one without has none.
        let queue = unsafe {
            let main = (functions.rd_kafka_queue_get_main)(raw);
            (functions.rd_kafka_set_log_queue)(raw, main);
            let own = match kind {
                Kind::Producer => std::ptr::null_mut(),
                Kind::Consumer => {
                    (functions.rd_kafka_poll_set_consumer)(raw);
                    (functions.rd_kafka_queue_get_consumer)(raw)
                }
            };
            if own.is_null() {
                main
            } else {
                (functions.rd_kafka_queue_destroy)(main);
                own
            }
        };
        Ok(Self {
            library,
            raw,
            queue,
        })
    }

    /// The next event, within `wait`.
    pub(super) fn poll(&self, wait: Duration) -> Option<QueueEvent> {
        self.next(wait).map(Raw::read)
    }

    /// The same; a record is not even looked at.
    pub(super) fn poll_without_records(&self, wait: Duration) -> Option<QueueEvent> {
        self.next(wait).map(Raw::read_unless_record)
    }

    fn next(&self, wait: Duration) -> Option<Raw> {
        let poll = self.library.functions.rd_kafka_queue_poll;
        // SAFETY: alive: the queue is ours. As documented: the event is the
        // caller's.
        unsafe {
            let event = poll(self.queue, millis(wait));
            (!event.is_null()).then(|| Raw::owned(self.library, event))
        }
    }

    /// The value of a property in force: after the client has adjusted it.
    pub(super) fn in_force(&self, key: &str) -> Option<String> {
        // SAFETY: alive: the configuration is the client's, for reading.
        unsafe {
            let conf = (self.library.functions.rd_kafka_conf)(self.raw);
            config::get(self.library, conf, key)
        }
    }

    /// What ended the client for good, if something did.
    pub(super) fn fatal_error(&self) -> Option<Error> {
        let mut words = [0 as c_char; WORDS];
        // SAFETY: alive: the client is ours. As documented: room in its length.
        let (code, words) = unsafe {
            let code = (self.library.functions.rd_kafka_fatal_error)(
                self.raw,
                words.as_mut_ptr(),
                words.len(),
            );
            (code, text(words.as_ptr()))
        };
        (code != 0).then(|| Error {
            is_fatal: true,
            ..Error::new(self.library, Code(code), Some(words))
        })
    }

    /// Asks the partition's leader where its log begins and ends, and waits for
    /// the answer.
    pub(super) fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        wait: Duration,
    ) -> Result<(i64, i64), Error> {
        let topic = self.c_string(topic)?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: alive: the client is ours. As documented.
        let code = unsafe {
            (self.library.functions.rd_kafka_query_watermark_offsets)(
                self.raw,
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                millis(wait),
            )
        };
        self.checked(code).map(|()| (low, high))
    }

    /// What a call returned.
    pub(super) fn checked(&self, code: c_int) -> Result<(), Error> {
        Error::of_code(self.library, code)
    }

    /// A text for C.
    pub(super) fn c_string(&self, text: &str) -> Result<CString, Error> {
        CString::new(text).map_err(|_| {
            let words = "a name contains a zero byte".to_owned();
            Error::new(self.library, Code::LOCAL_INVALID_ARG, Some(words))
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let functions = self.library.functions;
        // SAFETY: alive: both are ours, and nothing else destroys them. As
        // documented: the queue first. Events that are still held keep no
        // pointer to the client but their own.
        unsafe {
            (functions.rd_kafka_queue_destroy)(self.queue);
            (functions.rd_kafka_destroy)(self.raw);
        }
    }
}

/// A wait as librdkafka takes it.
pub(super) fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}

/// A number that travels through the client as a pointer, and is never one.
pub(super) const fn token(id: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(id)
}
