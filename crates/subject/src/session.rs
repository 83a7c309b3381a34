//! The driver's side of one client: hands requests over, waits for their
//! answers, and tells the engine what means the same in every role (outcomes
//! of sends, errors, counts). Knows nothing of which client it is, nor of what
//! a role does with records.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use model::event::{CommitResult, ErrorCause};
use model::ids::{Offset, PartitionIndex, Sequence, TopicPartition};

use crate::SubjectError;
use crate::complaints::Complaints;
use crate::log;
use crate::protocol::{
    Client, ClientError, ErrorClass, Outgoing, Position, Received, Request, Start, SubjectEvent,
    VERSION,
};
use crate::reporter::Reporter;
use crate::role::ClientEvent;

/// The longest turn: how late a stop may be noticed.
pub(crate) const TURN: Duration = Duration::from_millis(20);

/// Answers that are waited for are looked for so often; nothing depends on it.
const ANSWER: Duration = Duration::from_secs(1);

/// Events of one turn, at most: the next record may be due.
const EVENTS_MAX: usize = 1000;

/// What a role does when partitions come and go. Called within a poll and
/// within the close.
pub(crate) trait Rebalanced {
    fn rebalanced(
        &mut self,
        session: &mut Session,
        rebalance: Rebalance,
    ) -> Result<(), SubjectError>;
}

/// Partitions come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    /// They are given.
    Assigned(Vec<PartitionIndex>),
    /// They are going to be taken: still the member's own.
    Revoked(Vec<PartitionIndex>),
    /// They were taken.
    Lost(Vec<PartitionIndex>),
}

/// What is left of an event for a role.
enum Heard {
    Rebalance(Rebalance),
    Polled(Polled),
    Done {
        op: String,
        error: Option<ClientError>,
    },
    /// It is in a report already.
    Reported,
}

/// What a poll gave.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    pub(crate) records: Vec<Received>,
    /// Why the client cannot go on.
    pub(crate) error: Option<ClientError>,
}

/// A client and the way to the engine.
pub(crate) struct Session {
    client: Box<dyn Client>,
    pub(crate) reporter: Reporter,
    complaints: Complaints,
    /// The topic that is read.
    topic: Option<String>,
    sends: Sends,
    /// What the client cannot do (`protocol::limits`).
    cannot: BTreeSet<String>,
}

/// Records that were handed over.
#[derive(Debug, Default)]
struct Sends {
    /// Those without an outcome.
    outstanding: HashSet<u64>,
    /// The number of the next one.
    next: u64,
    /// How many were not acknowledged, since that was asked for last.
    undelivered: u64,
}

impl Session {
    /// Makes the client's producer and consumer, and tells the engine which
    /// client it is. `topic` is the one that is read.
    pub(crate) fn start(
        mut client: Box<dyn Client>,
        reporter: Reporter,
        start: Start,
    ) -> Result<Self, SubjectError> {
        let consumer = start.consumer.as_ref();
        let topic = consumer.and_then(|consumer| consumer.topics.first().cloned());
        client.request(Request::Start(start))?;
        let (ready, cannot) = loop {
            match client.event(ANSWER)? {
                None => reporter.check()?,
                Some(SubjectEvent::Note { text }) => reporter.note(text),
                Some(SubjectEvent::Error { error, .. }) => log::line("ERROR", &error.to_string()),
                Some(SubjectEvent::Refused { key, reason }) => {
                    return Err(SubjectError::Refused { key, reason });
                }
                Some(SubjectEvent::Ready {
                    protocol,
                    client,
                    version,
                    config,
                    set,
                    cannot,
                }) if protocol == VERSION => {
                    let ready = ClientEvent::Ready {
                        client,
                        version,
                        config: shown(config),
                        set,
                    };
                    break (ready, cannot);
                }
                Some(other) => return Err(out_of_turn(&other)),
            }
        };
        reporter.say(ready);
        for (limit, why) in &cannot {
            reporter.note(format!("the client cannot ({limit}): {why}"));
        }
        Ok(Self {
            client,
            reporter,
            complaints: Complaints::default(),
            topic,
            sends: Sends::default(),
            cannot: cannot.into_keys().collect(),
        })
    }

    /// Hands a record over, once the client has room for it; tells what comes
    /// meanwhile. The records of a session are numbered from 0.
    pub(crate) fn send(&mut self, record: Outgoing) -> Result<(), SubjectError> {
        let id = record.id;
        self.client.request(Request::Send(record))?;
        self.sends.next = id + 1;
        self.sends.outstanding.insert(id);
        Ok(())
    }

    /// Whether the client would take a record at once. While it would not, its
    /// events are to be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.client.has_room()
    }

    /// Whether the client said that it cannot do this (`protocol::limits`).
    pub(crate) fn cannot(&self, limit: &str) -> bool {
        self.cannot.contains(limit)
    }

    /// Records without an outcome.
    pub(crate) fn outstanding(&self) -> usize {
        self.sends.outstanding.len()
    }

    /// Records that were not acknowledged, since this was asked last.
    pub(crate) fn take_undelivered(&mut self) -> u64 {
        std::mem::take(&mut self.sends.undelivered)
    }

    /// Tells what the client says within that time, and all that has come by
    /// then. Nothing may be asked at the moment.
    pub(crate) fn turn(&mut self, length: Duration) -> Result<(), SubjectError> {
        let mut wait = length;
        for _ in 0..EVENTS_MAX {
            let Some(event) = self.client.event(wait)? else {
                break;
            };
            match self.hear(event)? {
                Heard::Reported => {}
                Heard::Done { op, .. } => return Err(unasked(&op)),
                Heard::Polled(_) => return Err(unasked("poll")),
                Heard::Rebalance(_) => return Err(unasked("poll: a rebalance")),
            }
            wait = Duration::ZERO;
        }
        self.reporter.check()
    }

    /// Makes a request and waits for its answer.
    pub(crate) fn ask(
        &mut self,
        request: Request,
        role: &mut dyn Rebalanced,
    ) -> Result<Result<(), ClientError>, SubjectError> {
        let asked = request.op();
        self.client.request(request)?;
        loop {
            match self.next()? {
                Heard::Done { op, error } if op == asked => {
                    return Ok(error.map_or(Ok(()), Err));
                }
                Heard::Done { op, .. } => return Err(unasked(&op)),
                Heard::Polled(_) => return Err(unasked("poll")),
                Heard::Rebalance(rebalance) => self.rebalanced(rebalance, role)?,
                Heard::Reported => {}
            }
        }
    }

    /// Polls.
    pub(crate) fn poll(
        &mut self,
        max: u64,
        wait: Duration,
        role: &mut dyn Rebalanced,
    ) -> Result<Polled, SubjectError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.client.request(Request::Poll { max, wait_ms })?;
        loop {
            match self.next()? {
                Heard::Polled(polled) if polled.records.len() as u64 > max => {
                    return Err(SubjectError::Protocol(format!(
                        "it was asked for {max} records and gave {}",
                        polled.records.len()
                    )));
                }
                Heard::Polled(polled) => return Ok(polled),
                Heard::Done { op, .. } => return Err(unasked(&op)),
                Heard::Rebalance(rebalance) => self.rebalanced(rebalance, role)?,
                Heard::Reported => {}
            }
        }
    }

    /// Closes the client, and tells the rest.
    pub(crate) fn close(mut self, role: &mut dyn Rebalanced) -> Result<(), SubjectError> {
        let closed = self.ask(Request::Close, role)?;
        self.finish_complaints();
        closed.map_err(|source| SubjectError::Client {
            doing: "be closed",
            source,
        })?;
        self.reporter.say(ClientEvent::Ended);
        self.reporter.check()
    }

    /// Tells of errors that were not told yet.
    pub(crate) fn finish_complaints(&self) {
        self.complaints.finish(&self.reporter);
    }

    /// Tells of an error that the client answered with.
    pub(crate) fn complain(&self, error: &ClientError) {
        self.complaints
            .hear(&self.reporter, error, ErrorCause::Pipeline);
    }

    fn rebalanced(
        &mut self,
        rebalance: Rebalance,
        role: &mut dyn Rebalanced,
    ) -> Result<(), SubjectError> {
        let revoked = matches!(rebalance, Rebalance::Revoked(_));
        role.rebalanced(self, rebalance)?;
        if revoked {
            self.client.request(Request::Continue)?;
        }
        Ok(())
    }

    /// What comes next, however long it takes.
    fn next(&mut self) -> Result<Heard, SubjectError> {
        loop {
            if let Some(event) = self.client.event(ANSWER)? {
                return self.hear(event);
            }
            self.reporter.check()?;
        }
    }

    fn hear(&mut self, event: SubjectEvent) -> Result<Heard, SubjectError> {
        let say = |what| {
            self.reporter.say(what);
            Ok(Heard::Reported)
        };
        match event {
            SubjectEvent::Acknowledged {
                id,
                partition,
                offset,
            } => {
                if !self.sends.outstanding.remove(&id) {
                    return Err(no_such_record(id));
                }
                say(ClientEvent::Acknowledged {
                    sequence: Sequence::new(id),
                    partition: PartitionIndex::new(partition),
                    offset: offset.map(Offset::new),
                })
            }
            SubjectEvent::Failed { id, error } => {
                // One that was unknown may be proved to have failed.
                self.sends.undelivered += u64::from(self.sends.outstanding.remove(&id));
                if id >= self.sends.next {
                    return Err(no_such_record(id));
                }
                let (sequence, error) = (Sequence::new(id), error.to_string());
                say(ClientEvent::Failed { sequence, error })
            }
            SubjectEvent::Unknown { id, error } => {
                if !self.sends.outstanding.remove(&id) {
                    return Err(no_such_record(id));
                }
                self.sends.undelivered += 1;
                let (sequence, error) = (Sequence::new(id), error.to_string());
                say(ClientEvent::Unknown { sequence, error })
            }
            SubjectEvent::Counted { retries } => say(ClientEvent::Counted { retries }),
            SubjectEvent::Throttled { throttle_ms } => say(ClientEvent::Throttled { throttle_ms }),
            SubjectEvent::Note { text } => say(ClientEvent::Note { text }),
            SubjectEvent::Error { error, cause } => {
                self.complaints.hear(&self.reporter, &error, cause);
                Ok(Heard::Reported)
            }
            SubjectEvent::Committed { offsets, error } => {
                self.tell_commit(&offsets, result_of(error.as_ref()));
                Ok(Heard::Reported)
            }
            SubjectEvent::Assigned { partitions } => Ok(Heard::Rebalance(Rebalance::Assigned(
                self.indices(partitions)?,
            ))),
            SubjectEvent::Revoked { partitions } => Ok(Heard::Rebalance(Rebalance::Revoked(
                self.indices(partitions)?,
            ))),
            SubjectEvent::Lost { partitions } => {
                Ok(Heard::Rebalance(Rebalance::Lost(self.indices(partitions)?)))
            }
            SubjectEvent::Polled { records, error } => {
                for record in &records {
                    self.is_read(&record.topic)?;
                }
                Ok(Heard::Polled(Polled { records, error }))
            }
            SubjectEvent::Done { op, error } => Ok(Heard::Done { op, error }),
            SubjectEvent::Ready { .. } | SubjectEvent::Refused { .. } => Err(out_of_turn(&event)),
        }
    }

    /// Tells of positions that were committed, or not.
    pub(crate) fn tell_commit(&self, offsets: &[Position], result: CommitResult) {
        for position in offsets {
            self.reporter.say(ClientEvent::Committed {
                partition: PartitionIndex::new(position.partition),
                offset: Offset::new(position.offset),
                result,
            });
        }
    }

    fn indices(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<PartitionIndex>, SubjectError> {
        let index = |it: TopicPartition| {
            self.is_read(it.topic.as_str())?;
            Ok(it.partition)
        };
        partitions.into_iter().map(index).collect()
    }

    fn is_read(&self, topic: &str) -> Result<(), SubjectError> {
        if self.topic.as_deref() == Some(topic) {
            return Ok(());
        }
        Err(SubjectError::Protocol(format!(
            "it tells of the topic {topic}, which it was not told to read"
        )))
    }
}

/// What the answer to a commit means.
///
/// One error answers for all partitions of a commit, so only those that the
/// coordinator gives for the whole group count as refused. The answer is to the
/// last attempt: one before it, whose answer was lost, may have been stored.
/// That a commit was refused is told, and shows that the coordinator turned the
/// member away; that its offset is not stored follows from no answer.
pub(crate) const fn result_of(error: Option<&ClientError>) -> CommitResult {
    match error {
        None => CommitResult::Accepted,
        Some(error) => match error.class {
            ErrorClass::Refused | ErrorClass::Stale | ErrorClass::Fenced => CommitResult::Refused,
            ErrorClass::Retriable
            | ErrorClass::Abortable
            | ErrorClass::Fatal
            | ErrorClass::Other => CommitResult::Unknown,
        },
    }
}

/// A client leaves secrets out; what it forgets to is hidden here.
fn shown(
    config: std::collections::BTreeMap<String, String>,
) -> std::collections::BTreeMap<String, String> {
    config
        .into_iter()
        .map(|(key, value)| {
            let value = secret::shown(&key, &value).into_owned();
            (key, value)
        })
        .collect()
}

fn no_such_record(id: u64) -> SubjectError {
    SubjectError::Protocol(format!(
        "it tells the outcome of record {id}, which has none to come"
    ))
}

fn unasked(op: &str) -> SubjectError {
    SubjectError::Protocol(format!("it answers what was not asked: {op}"))
}

fn out_of_turn(event: &SubjectEvent) -> SubjectError {
    let line = serde_json::to_string(event).unwrap_or_default();
    let line: String = line.chars().take(300).collect();
    SubjectError::Protocol(format!("it is not the moment for {line}"))
}
