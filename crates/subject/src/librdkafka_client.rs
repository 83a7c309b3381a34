//! librdkafka in this process as a client of the subject protocol: the version
//! that is built in, or one that is loaded. Knows nothing of roles, of records'
//! identities, or of when it is asked for what.
//!
//! librdkafka's events are turned into the protocol's when they are asked for
//! ([`Client::event`]): there is no thread and no callback, so nothing happens
//! while the driver is busy that would not happen in an application.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use librdkafka::{ConsumerClient, Librdkafka, LoadError, ProducerClient};

pub mod config;
mod outcome;
mod reader;
mod sender;
mod statistics;
mod words;

use self::config::{ConfigError, RoleKind, Translated};
use self::reader::{Next, Reader};
use self::sender::Sender;
use crate::SubjectError;
use crate::protocol::{
    self, Client, ClientError, ErrorClass, Position, Received, Request, Start, SubjectEvent,
};

/// How long librdkafka may wait for an answer before its caller has another
/// turn; what is still open then may be asked for again.
const ANSWER: Duration = Duration::from_secs(1);

/// Events that were not asked for yet.
type EventQueue = VecDeque<SubjectEvent>;

/// A librdkafka as a subject.
pub struct LibrdkafkaClient {
    library: Librdkafka,
    /// Whether it is the version that is part of this program.
    is_built_in: bool,
    sender: Option<Sender>,
    reader: Option<Reader>,
    poll: Option<Poll>,
    /// The `op` that flushes, while one does.
    flushing: Option<&'static str>,
    is_closing: bool,
    events: EventQueue,
}

/// A poll that was not answered yet.
struct Poll {
    max: u64,
    until: Instant,
    records: Vec<Received>,
}

impl LibrdkafkaClient {
    /// The version that is part of this program.
    pub fn built_in() -> Self {
        Self::new(Librdkafka::built_in(), true)
    }

    /// A shared library.
    ///
    /// # Errors
    /// Where the file is no librdkafka that can be used.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self::new(Librdkafka::load(path)?, false))
    }

    fn new(library: Librdkafka, is_built_in: bool) -> Self {
        Self {
            library,
            is_built_in,
            sender: None,
            reader: None,
            poll: None,
            flushing: None,
            is_closing: false,
            events: EventQueue::new(),
        }
    }

    /// Makes the clients, or says why not.
    fn start(&mut self, start: &Start) {
        match self.make(start) {
            Ok(ready) => self.events.push_back(ready),
            Err(error) => self.events.push_back(SubjectEvent::Refused {
                key: error.place().map(|(key, _)| key.to_owned()),
                reason: error.to_string(),
            }),
        }
    }

    fn make(&mut self, start: &Start) -> Result<SubjectEvent, ConfigError> {
        let mut in_force = BTreeMap::new();
        let mut set = Vec::new();
        let mut tell = |prefix: &str, translated: &config::InForce| {
            for (key, value) in &translated.config {
                in_force.insert(format!("{prefix}{key}"), value.clone());
            }
            set.extend(translated.set.iter().map(|key| format!("{prefix}{key}")));
        };
        // Both are read before either is made: a key that is wrong is not to
        // cost a connection.
        let with_consumer = start.consumer.is_some();
        let producer = start.producer.as_ref().map(|it| &it.config);
        let consumer = start.consumer.as_ref().map(|it| &it.config);
        let producer =
            producer.map(|it| self.translated(RoleKind::Producer, it, start, with_consumer));
        let consumer =
            consumer.map(|it| self.translated(RoleKind::Consumer, it, start, with_consumer));
        let (producer, consumer) = (producer.transpose()?, consumer.transpose()?);
        if let (Some(translated), Some(of)) = (producer, &start.producer) {
            let (config, set) = translated.into_parts();
            let client = ProducerClient::new(config);
            let client = client
                .map_err(|words| config::contradiction(RoleKind::Producer, &of.config, words))?;
            let max_block_ms = config::max_block_ms(&of.config);
            let mut events =
                config::InForce::of(RoleKind::Producer, set, |key| client.in_force(key));
            // The subject's own, and in force as much as the client's.
            events.add(config::MAX_BLOCK_MS, max_block_ms.to_string(), &of.config);
            tell(if with_consumer { "producer." } else { "" }, &events);
            self.sender = Some(Sender::new(client, Duration::from_millis(max_block_ms)));
        }
        if let (Some(translated), Some(of)) = (consumer, &start.consumer) {
            let (config, set) = translated.into_parts();
            let client = ConsumerClient::new(config);
            let client = client
                .map_err(|words| config::contradiction(RoleKind::Consumer, &of.config, words))?;
            let events = config::InForce::of(RoleKind::Consumer, set, |key| client.in_force(key));
            tell("", &events);
            if !start.check {
                client.subscribe(&of.topics).map_err(|error| {
                    let words = format!("it cannot subscribe: {error}");
                    config::contradiction(RoleKind::Consumer, &of.config, words)
                })?;
            }
            self.reader = Some(Reader::new(client));
        }
        Ok(SubjectEvent::Ready {
            protocol: protocol::VERSION,
            client: "librdkafka".to_owned(),
            version: self.library.version(),
            config: in_force,
            set,
            cannot: BTreeMap::new(),
        })
    }

    fn translated(
        &self,
        kind: RoleKind,
        config: &BTreeMap<String, String>,
        start: &Start,
        with_consumer: bool,
    ) -> Result<Translated, ConfigError> {
        let mut translated = Translated::of(self.library, self.is_built_in, kind, config)?;
        config::java_rules(kind, config)?;
        // A producer by itself is counted on; see `sender`.
        let interval = if with_consumer { "1000" } else { "250" };
        translated.set_own("statistics.interval.ms", interval);
        if start.check {
            // Nothing to connect to.
            translated.set_own("bootstrap.servers", "");
        }
        Ok(translated)
    }

    /// Does what a request asks for that has an answer at once.
    fn carry_out(&mut self, op: &str, what: &Request) {
        let done = match what {
            Request::Commit { offsets } => self.commit(offsets),
            Request::Seek(to) => self.reader().and_then(|it| it.seek(to)),
            Request::InitTransactions => self
                .sender()
                .and_then(|it| it.transaction(|it| it.init_transactions(ANSWER))),
            Request::BeginTransaction => self
                .sender()
                .and_then(|it| it.transaction(ProducerClient::begin_transaction)),
            Request::SendOffsets { offsets } => self.send_offsets(offsets),
            Request::CommitTransaction => self.commit_transaction(),
            _ => self.abort_transaction(),
        };
        // An answer may have to wait for outcomes to be taken from the client.
        if let Some(sender) = &mut self.sender {
            sender.turn(Duration::ZERO, &mut self.events);
        }
        self.events.push_back(SubjectEvent::Done {
            op: op.to_owned(),
            error: done.err(),
        });
    }

    fn commit(&mut self, offsets: &[Position]) -> Result<(), ClientError> {
        let events = &mut self.events;
        match &mut self.reader {
            Some(reader) => reader.commit(offsets, events),
            None => Err(missing("consumer")),
        }
    }

    fn send_offsets(&mut self, offsets: &[Position]) -> Result<(), ClientError> {
        let (Some(sender), Some(reader)) = (&self.sender, &self.reader) else {
            return Err(missing("consumer beside a producer"));
        };
        sender
            .transaction(|it| it.send_offsets(&reader::positions(offsets), reader.client(), ANSWER))
    }

    fn commit_transaction(&mut self) -> Result<(), ClientError> {
        if !self.has_outcomes() {
            return Err(ClientError {
                name: "_TIMED_OUT".to_owned(),
                message: "records are still on their way".to_owned(),
                class: ErrorClass::Retriable,
            });
        }
        self.sender()?
            .transaction(|it| it.commit_transaction(ANSWER))
    }

    fn abort_transaction(&mut self) -> Result<(), ClientError> {
        // Those that are still on their way it gives up itself.
        self.has_outcomes();
        self.sender()?
            .transaction(|it| it.abort_transaction(ANSWER))
    }

    /// Waits a little for outcomes; whether all are there. The client waits for
    /// its records by itself when a transaction ends, and for their outcomes to
    /// be taken from it, which only happens here.
    fn has_outcomes(&mut self) -> bool {
        let Some(sender) = &mut self.sender else {
            return true;
        };
        let until = Instant::now() + ANSWER;
        while sender.is_waiting() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            sender.turn(left, &mut self.events);
        }
        true
    }

    fn sender(&mut self) -> Result<&mut Sender, ClientError> {
        self.sender.as_mut().ok_or_else(|| missing("producer"))
    }

    fn reader(&mut self) -> Result<&mut Reader, ClientError> {
        self.reader.as_mut().ok_or_else(|| missing("consumer"))
    }

    /// Goes on with what is to be done, for about so long at most.
    fn turn(&mut self, wait: Duration) {
        let events = &mut self.events;
        let held = self.reader.as_ref().is_some_and(Reader::is_held);
        if self.flushing.is_some() {
            let Some(sender) = &mut self.sender else {
                return self.flushed();
            };
            if sender.flush(wait, events) {
                self.flushed();
            }
        } else if held {
            self.turn_of_sender(wait);
        } else if self.is_closing {
            self.close(wait);
        } else if self.poll.is_some() {
            if let Some(sender) = &mut self.sender {
                sender.turn(Duration::ZERO, events);
            }
            self.poll(wait);
        } else {
            self.turn_of_sender(wait);
        }
    }

    fn turn_of_sender(&mut self, wait: Duration) {
        match &mut self.sender {
            Some(sender) => sender.turn(wait, &mut self.events),
            // Nothing is asked of it, so nothing can come.
            None => thread::sleep(wait),
        }
    }

    fn flushed(&mut self) {
        let op = self.flushing.take().unwrap_or_default().to_owned();
        let done = SubjectEvent::Done { op, error: None };
        self.events.push_back(done);
    }

    fn poll(&mut self, wait: Duration) {
        let Some(poll) = &mut self.poll else {
            return;
        };
        let Some(reader) = &mut self.reader else {
            let error = Some(missing("consumer"));
            return self.polled(error);
        };
        loop {
            let left = if poll.records.is_empty() {
                wait.min(poll.until.saturating_duration_since(Instant::now()))
            } else {
                Duration::ZERO
            };
            match reader.next(left, poll.records.is_empty(), &mut self.events) {
                Next::Received(record) => {
                    poll.records.push(record);
                    if poll.records.len() as u64 >= poll.max.max(1) {
                        return self.polled(None);
                    }
                }
                // Others come when it is polled again.
                Next::Held if !poll.records.is_empty() => return self.polled(None),
                // The events first; the poll goes on after that.
                Next::Queued | Next::Held => return,
                Next::Over(error) => return self.polled(Some(error)),
                Next::Nothing => {
                    if !poll.records.is_empty() || Instant::now() >= poll.until {
                        self.polled(None);
                    }
                    return;
                }
            }
        }
    }

    fn polled(&mut self, error: Option<ClientError>) {
        let records = self.poll.take().map_or_else(Vec::new, |poll| poll.records);
        self.events
            .push_back(SubjectEvent::Polled { records, error });
    }

    /// The consumer first: what is revoked from it may still be sent.
    fn close(&mut self, wait: Duration) {
        if let Some(reader) = &mut self.reader
            && !reader.close(wait, &mut self.events)
        {
            return;
        }
        if let Some(sender) = &mut self.sender
            && !sender.close(wait, &mut self.events)
        {
            return;
        }
        self.is_closing = false;
        self.reader = None;
        self.sender = None;
        self.events.push_back(SubjectEvent::Done {
            op: "close".to_owned(),
            error: None,
        });
    }
}

impl Client for LibrdkafkaClient {
    fn request(&mut self, request: Request) -> Result<(), SubjectError> {
        match request {
            Request::Start(start) => self.start(&start),
            Request::Send(record) => match &mut self.sender {
                Some(sender) => sender.send(record, &mut self.events),
                None => self.events.push_back(SubjectEvent::Failed {
                    id: record.id,
                    error: missing("producer"),
                }),
            },
            // rd_kafka_flush returns when every record has its outcome, or after its time-out.
            Request::Flush | Request::FlushOnce => self.flushing = Some(request.op()),
            Request::Poll { max, wait_ms } => {
                self.poll = Some(Poll {
                    max,
                    until: Instant::now() + Duration::from_millis(wait_ms),
                    records: Vec::new(),
                });
            }
            Request::Continue => {
                if let Some(reader) = &mut self.reader {
                    reader.go_on(&mut self.events);
                }
            }
            Request::Close => {
                if let Some(reader) = &mut self.reader {
                    reader.go_on(&mut self.events);
                }
                self.is_closing = true;
            }
            Request::Commit { .. } => self.carry_out("commit", &request),
            Request::Seek(_) => self.carry_out("seek", &request),
            Request::InitTransactions => self.carry_out("init-transactions", &request),
            Request::BeginTransaction => self.carry_out("begin-transaction", &request),
            Request::SendOffsets { .. } => self.carry_out("send-offsets", &request),
            Request::CommitTransaction => self.carry_out("commit-transaction", &request),
            Request::AbortTransaction => self.carry_out("abort-transaction", &request),
        }
        Ok(())
    }

    fn event(&mut self, wait: Duration) -> Result<Option<SubjectEvent>, SubjectError> {
        let until = Instant::now() + wait;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = until.saturating_duration_since(Instant::now());
            self.turn(left);
            if left.is_zero() {
                return Ok(self.events.pop_front());
            }
        }
    }

    fn has_room(&self) -> bool {
        self.sender.as_ref().is_none_or(Sender::has_room)
    }
}

/// A request that needs a client that was not asked for.
fn missing(client: &str) -> ClientError {
    ClientError {
        name: "_STATE".to_owned(),
        message: format!("there is no {client}"),
        class: ErrorClass::Other,
    }
}
