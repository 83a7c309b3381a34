//! The consumer: a member of a group, which is given records and has partitions
//! assigned and revoked.

use std::time::{Duration, Instant};

use librdkafka::{ConsumerClient, QueueEvent as Native, Rebalance};
use model::event::ErrorCause;
use model::ids::{PartitionIndex, TopicName, TopicPartition};

use super::statistics::Statistics;
use super::{ANSWER, EventQueue, words};
use crate::log;
use crate::protocol::{
    Bytes, ClientError, ErrorClass, Position, Received, RecordHeader, SubjectEvent,
};

/// A consumer.
pub(super) struct Reader {
    /// What came while records were to be handed out first.
    next: Option<Rebalance>,
    /// What its partitions are waiting for.
    held: Option<Held>,
    is_closing: bool,
    is_closed: bool,
    // Dropped last: what it told is its own.
    client: ConsumerClient,
}

/// Partitions that are about to be revoked.
enum Held {
    ByCoordinator(Rebalance),
    /// By a version that leaves the group in one call, which says nothing of
    /// the revocation that is part of it.
    ByClose,
}

/// What came next.
pub(super) enum Next {
    /// A record.
    Received(Received),
    /// Something whose event is in the queue.
    Queued,
    /// Partitions that are held until [`Reader::go_on`], or a rebalance that
    /// has to wait for records.
    Held,
    /// The client cannot go on.
    Over(ClientError),
    /// Nothing.
    Nothing,
}

impl Reader {
    pub(super) const fn new(client: ConsumerClient) -> Self {
        Self {
            client,
            next: None,
            held: None,
            is_closing: false,
            is_closed: false,
        }
    }

    pub(super) const fn client(&self) -> &ConsumerClient {
        &self.client
    }

    /// Whether partitions are about to be revoked, and still its own.
    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// What comes next, within `wait`. Rebalances only where they `may` be
    /// carried out: otherwise they come next time.
    pub(super) fn next(&mut self, wait: Duration, may: bool, events: &mut EventQueue) -> Next {
        if let Some(rebalance) = self.next.take() {
            return self.rebalance(rebalance, events);
        }
        match self.client.poll(wait) {
            None => Next::Nothing,
            Some(Native::Consumed(record)) => Next::Received(received(record)),
            Some(Native::Rebalance(rebalance)) if !may => {
                self.next = Some(rebalance);
                Next::Held
            }
            Some(Native::Rebalance(rebalance)) => self.rebalance(rebalance, events),
            Some(Native::Error(error)) => {
                events.push_back(words::complaint(&error));
                if !error.is_fatal {
                    return Next::Queued;
                }
                let error = self.client.fatal_error().unwrap_or(error);
                Next::Over(words::error(&error, words::class_of_end(&error)))
            }
            Some(other) => {
                tell(other, events);
                Next::Queued
            }
        }
    }

    fn rebalance(&mut self, rebalance: Rebalance, events: &mut EventQueue) -> Next {
        let partitions = || {
            rebalance
                .partitions
                .iter()
                .map(|it| of(&it.topic, it.partition))
        };
        match &rebalance.assigned {
            Ok(true) => events.push_back(SubjectEvent::Assigned {
                partitions: partitions().collect(),
            }),
            Ok(false) if self.client.has_lost_its_assignment() => {
                events.push_back(SubjectEvent::Lost {
                    partitions: partitions().collect(),
                });
            }
            Ok(false) => {
                events.push_back(SubjectEvent::Revoked {
                    partitions: partitions().collect(),
                });
                self.held = Some(Held::ByCoordinator(rebalance));
                return Next::Held;
            }
            Err(error) => events.push_back(SubjectEvent::Note {
                text: format!("rebalance: {error}"),
            }),
        }
        self.carry_out(&rebalance, events);
        Next::Queued
    }

    fn carry_out(&self, rebalance: &Rebalance, events: &mut EventQueue) {
        if let Err(error) = self.client.carry_out(rebalance) {
            events.push_back(SubjectEvent::Note {
                text: format!("rebalance: {error}"),
            });
        }
    }

    /// Lets go of the partitions that are held.
    pub(super) fn go_on(&mut self, events: &mut EventQueue) {
        match self.held.take() {
            None => {}
            Some(Held::ByCoordinator(rebalance)) => self.carry_out(&rebalance, events),
            Some(Held::ByClose) => self.leave(events),
        }
    }

    /// Commits positions and waits for the answer.
    pub(super) fn commit(
        &self,
        offsets: &[Position],
        events: &mut EventQueue,
    ) -> Result<(), ClientError> {
        self.client.commit(&positions(offsets)).map_err(|answer| {
            // The answer to a request does not say what the client can do.
            if words::cause_of(&answer) != ErrorCause::Pipeline {
                events.push_back(words::complaint(&answer));
            }
            let error = words::told_apart(&answer, self.client.fatal_error());
            words::error(&error, words::class_of_commit(&error))
        })
    }

    /// Reads a partition from a place next.
    pub(super) fn seek(&self, to: &Position) -> Result<(), ClientError> {
        let answer = self.client.seek(&position(to), ANSWER);
        answer.map_err(|error| words::error(&error, ErrorClass::Other))
    }

    /// Goes on with leaving the group; whether it has left.
    pub(super) fn close(&mut self, wait: Duration, events: &mut EventQueue) -> bool {
        if self.is_closed {
            return true;
        }
        if !self.is_closing {
            self.is_closing = true;
            // What was not carried out yet is asked for again.
            self.next = None;
            self.begin_to_close(events);
            return self.is_closed;
        }
        let until = Instant::now() + wait;
        while !self.client.is_closed() {
            let left = until.saturating_duration_since(Instant::now());
            match self.client.poll_without_records(left) {
                None if left.is_zero() => return false,
                None => {}
                Some(Native::Rebalance(rebalance)) => {
                    self.rebalance(rebalance, events);
                    return false;
                }
                Some(other) => {
                    tell(other, events);
                    return false;
                }
            }
        }
        self.is_closed = true;
        true
    }

    fn begin_to_close(&mut self, events: &mut EventQueue) {
        match self.client.begin_to_close() {
            Ok(true) => {}
            Ok(false) => {
                let partitions = self.client.assignment().unwrap_or_default();
                if partitions.is_empty() {
                    self.leave(events);
                } else {
                    let partitions = partitions.iter().map(|it| of(&it.topic, it.partition));
                    events.push_back(SubjectEvent::Revoked {
                        partitions: partitions.collect(),
                    });
                    self.held = Some(Held::ByClose);
                }
            }
            Err(error) => self.closed(events, &error),
        }
    }

    /// Leaves the group in one call.
    fn leave(&mut self, events: &mut EventQueue) {
        match self.client.close() {
            Ok(answers) => {
                for answer in answers {
                    tell(answer, events);
                }
                self.is_closed = true;
            }
            Err(error) => self.closed(events, &error),
        }
    }

    fn closed(&mut self, events: &mut EventQueue, error: &librdkafka::Error) {
        events.push_back(SubjectEvent::Note {
            text: format!("close: {error}"),
        });
        self.is_closed = true;
    }
}

/// Tells what says nothing of records and partitions.
fn tell(event: Native, events: &mut EventQueue) {
    match event {
        Native::Committed { offsets, error } => {
            let offsets = offsets.into_iter().filter(|it| it.offset >= 0);
            let offsets: Vec<_> = offsets
                .map(|it| Position {
                    topic: it.topic,
                    partition: it.partition,
                    offset: it.offset,
                })
                .collect();
            // There was nothing to commit.
            if offsets.is_empty() {
                return;
            }
            events.push_back(SubjectEvent::Committed {
                offsets,
                error: error.map(|it| words::error(&it, words::class_of_commit(&it))),
            });
        }
        Native::Statistics(json) => {
            events.extend(Statistics::read(&json).and_then(|it| it.throttled()));
        }
        Native::Error(error) => events.push_back(words::complaint(&error)),
        Native::Log { facility, text } => log::line(&facility, &text),
        Native::Deliveries(_) | Native::Consumed(_) | Native::Rebalance(_) | Native::Other => {}
    }
}

fn received(record: librdkafka::ConsumedMessage) -> Received {
    Received {
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        key: record.key.map(Bytes),
        value: record.value.map(Bytes),
        headers: (record.headers.into_iter())
            .map(|(key, value)| RecordHeader {
                key,
                value: value.map(Bytes),
            })
            .collect(),
    }
}

fn of(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: TopicName::new(topic),
        partition: PartitionIndex::new(partition),
    }
}

pub(super) fn positions(offsets: &[Position]) -> Vec<librdkafka::PartitionOffset> {
    offsets.iter().map(position).collect()
}

fn position(of: &Position) -> librdkafka::PartitionOffset {
    librdkafka::PartitionOffset {
        topic: of.topic.clone(),
        partition: of.partition,
        offset: of.offset,
    }
}
