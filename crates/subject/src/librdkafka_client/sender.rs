//! The producer: hands records over, and tells what the client says became of
//! each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use librdkafka::{Code, Error, OutgoingMessage, Partition, ProducerClient, QueueEvent as Native};

use super::outcome::Outcomes;
use super::statistics::Statistics;
use super::{EventQueue, words};
use crate::log;
use crate::protocol::{self, ClientError, ErrorClass, SubjectEvent};

/// How long one poll for room in the client's buffer takes.
const TURN: Duration = Duration::from_millis(20);
/// How long brokers may take to answer that nothing is on its way any more.
const ARRIVAL: Duration = Duration::from_mins(1);
/// The same, for one question.
const ARRIVAL_ANSWER: Duration = Duration::from_secs(5);
/// How long to wait for the client's last count of itself.
const LAST_COUNT: Duration = Duration::from_secs(2);

/// A producer.
pub(super) struct Sender {
    client: ProducerClient,
    /// How long a send waits for room in the client's buffer.
    max_block: Duration,
    outcomes: Outcomes,
    /// A record that the client's buffer has no room for.
    waiting: Option<Waiting>,
    handed_over: u64,
    completed: u64,
    resent: u64,
    counts: u64,
    arrival: Option<Arrival>,
    last_count: Option<LastCount>,
}

struct Waiting {
    record: protocol::Outgoing,
    since: Instant,
}

/// Brokers that were not asked yet whether anything is on its way to them.
struct Arrival {
    open: VecDeque<Partition>,
    until: Instant,
}

/// The count that is waited for.
struct LastCount {
    wanted: u64,
    until: Instant,
}

impl Sender {
    pub(super) fn new(client: ProducerClient, max_block: Duration) -> Self {
        Self {
            client,
            max_block,
            outcomes: Outcomes::default(),
            waiting: None,
            handed_over: 0,
            completed: 0,
            resent: 0,
            counts: 0,
            arrival: None,
            last_count: None,
        }
    }

    /// Hands a record over. Where the client's buffer is full, it waits for
    /// room, as in the Java client's `send()`, and no longer than there
    /// (`max.block.ms`): then the record was never handed over.
    pub(super) fn send(&mut self, record: protocol::Outgoing, events: &mut EventQueue) {
        while self.waiting.is_some() {
            self.turn(TURN, events);
        }
        let Err(error) = self.hand_over(&record) else {
            return;
        };
        if error.code == Code::LOCAL_QUEUE_FULL {
            events.push_back(SubjectEvent::Note {
                text: format!("the client's buffer is full at record {}", record.id),
            });
            let since = Instant::now();
            self.waiting = Some(Waiting { record, since });
            return;
        }
        // What it never had it cannot have sent.
        events.push_back(SubjectEvent::Failed {
            id: record.id,
            error: words::error(&error, ErrorClass::Other),
        });
    }

    /// Whether no record waits for room in the client's buffer.
    pub(super) const fn has_room(&self) -> bool {
        self.waiting.is_none()
    }

    /// Gives up the record that waits for room: nothing waits for it any more.
    fn give_up_waiting(&mut self, events: &mut EventQueue) {
        if let Some(Waiting { record, since }) = self.waiting.take() {
            events.push_back(SubjectEvent::Failed {
                id: record.id,
                error: ClientError {
                    name: "_QUEUE_FULL".to_owned(),
                    message: format!(
                        "the client's buffer (buffer.memory) was full for {} ms (max.block.ms)",
                        since.elapsed().min(self.max_block).as_millis()
                    ),
                    class: ErrorClass::Other,
                },
            });
        }
    }

    /// Tries the record that waits for room again.
    fn try_again(&mut self, events: &mut EventQueue) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        match self.hand_over(&waiting.record) {
            Ok(()) => {}
            Err(error) if error.code == Code::LOCAL_QUEUE_FULL => {
                let is_over = waiting.since.elapsed() >= self.max_block;
                self.waiting = Some(waiting);
                if is_over {
                    self.give_up_waiting(events);
                }
            }
            Err(error) => events.push_back(SubjectEvent::Failed {
                id: waiting.record.id,
                error: words::error(&error, ErrorClass::Other),
            }),
        }
    }

    fn hand_over(&mut self, record: &protocol::Outgoing) -> Result<(), Error> {
        let headers: Vec<_> = (record.headers.iter())
            .map(|header| {
                let value = header.value.as_ref().map(|it| it.0.as_slice());
                (header.key.as_str(), value)
            })
            .collect();
        // No machine that runs Kafka has an address smaller than a number of
        // records.
        let id = usize::try_from(record.id).unwrap_or(usize::MAX);
        self.client.send(&OutgoingMessage {
            id,
            topic: &record.topic,
            partition: record.partition,
            key: record.key.as_ref().map(|it| it.0.as_slice()),
            value: record.value.as_ref().map(|it| it.0.as_slice()),
            headers: &headers,
        })?;
        self.handed_over += 1;
        Ok(())
    }

    /// Tells what came, within `wait`, and then all that is there.
    pub(super) fn turn(&mut self, wait: Duration, events: &mut EventQueue) {
        let mut next = self.client.poll(wait);
        while let Some(event) = next {
            self.tell(event, events);
            next = self.client.poll(Duration::ZERO);
        }
        self.try_again(events);
    }

    fn tell(&mut self, event: Native, events: &mut EventQueue) {
        match event {
            Native::Deliveries(deliveries) => {
                self.completed += deliveries.len() as u64;
                events.extend(deliveries.iter().map(|it| self.outcomes.tell(it)));
            }
            Native::Statistics(json) => {
                if let Some(statistics) = Statistics::read(&json) {
                    self.count(&statistics, events);
                }
            }
            Native::Error(error) => events.push_back(words::complaint(&error)),
            Native::Log { facility, text } => log::line(&facility, &text),
            Native::Consumed(_)
            | Native::Rebalance(_)
            | Native::Committed { .. }
            | Native::Other => {}
        }
    }

    fn count(&mut self, statistics: &Statistics, events: &mut EventQueue) {
        events.extend(statistics.throttled());
        self.outcomes.attempts.count(statistics);
        let resent = statistics.resent(self.handed_over);
        if resent > self.resent {
            self.resent = resent;
            events.push_back(SubjectEvent::Counted { retries: resent });
        }
        self.counts += 1;
    }

    /// Whether records have no outcome yet.
    pub(super) const fn is_waiting(&self) -> bool {
        self.completed < self.handed_over
    }

    /// Goes on until every record has its outcome and has arrived; whether that
    /// is so. What bounds the wait for outcomes is the client's own
    /// `message.timeout.ms`.
    pub(super) fn flush(&mut self, wait: Duration, events: &mut EventQueue) -> bool {
        self.give_up_waiting(events);
        if self.is_waiting() {
            self.turn(wait, events);
            return false;
        }
        self.has_arrived(events)
    }

    /// With `acks=0` every outcome is told while records are still on their
    /// way, and who read the log then would miss them. A broker handles what
    /// comes on a connection in its order: once it has answered a question of
    /// each partition, nothing is on the way to it any more.
    fn has_arrived(&mut self, events: &mut EventQueue) -> bool {
        let outcomes = &mut self.outcomes;
        let arrival = self.arrival.get_or_insert_with(|| Arrival {
            open: outcomes.take_unanswered().into_iter().collect(),
            until: Instant::now() + ARRIVAL,
        });
        if let Some(Partition { topic, partition }) = arrival.open.front() {
            let asked = self.client.watermarks(topic, *partition, ARRIVAL_ANSWER);
            match asked {
                Ok(_) => {
                    arrival.open.pop_front();
                }
                Err(error) if Instant::now() >= arrival.until => {
                    events.push_back(SubjectEvent::Note {
                        text: format!(
                            "no answer of {topic}-{partition} ({error}): records may still be on \
                             their way"
                        ),
                    });
                    arrival.open.clear();
                }
                Err(_) => {}
            }
            if !arrival.open.is_empty() {
                self.turn(TURN, events);
                return false;
            }
        }
        self.arrival = None;
        true
    }

    /// Goes on until nothing more is to be told; whether that is so.
    pub(super) fn close(&mut self, wait: Duration, events: &mut EventQueue) -> bool {
        if self.last_count.is_none() && !self.flush(wait, events) {
            return false;
        }
        self.has_last_count(wait, events)
    }

    /// Waits for one count that was made after the last outcome, so that the
    /// total is whole. Where something is proved by it, for another one: the
    /// client may have begun to make the first before the last outcome.
    fn has_last_count(&mut self, wait: Duration, events: &mut EventQueue) -> bool {
        if self.handed_over == 0 {
            return true;
        }
        let attempts = &self.outcomes.attempts;
        let counts = if attempts.is_idle() { 1 } else { 2 };
        let last_count = self.last_count.get_or_insert_with(|| LastCount {
            wanted: self.counts + counts,
            until: Instant::now() + LAST_COUNT,
        });
        if self.counts < last_count.wanted {
            let left = last_count.until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                self.turn(wait.min(left), events);
                return false;
            }
            events.push_back(SubjectEvent::Note {
                text: "the client gave no last count: retries may be too low".to_owned(),
            });
            self.outcomes.attempts.give_up();
        }
        for (id, error) in self.outcomes.attempts.certain() {
            events.push_back(SubjectEvent::Failed { id, error });
        }
        events.push_back(SubjectEvent::Counted {
            retries: self.resent,
        });
        true
    }

    /// Asks something about a transaction.
    pub(super) fn transaction(
        &self,
        ask: impl FnOnce(&ProducerClient) -> Result<(), Error>,
    ) -> Result<(), ClientError> {
        ask(&self.client).map_err(|answer| {
            let error = words::told_apart(&answer, self.client.fatal_error());
            words::error(&error, words::class_of_transaction(&answer, &error))
        })
    }
}
