//! Converts a producer's file. The producer prints acknowledgements, not sends: an
//! acknowledged record was sent, and the number in its value is its place in the order of
//! sending.

use model::event::{Body, Outcome};
use model::ids::{Micros, PartitionIndex, PartitionRef, ProducerIx, RecordId};

use super::convert::Context;
use super::error::KafkatestFlaw;
use super::event_channel::EventSender;
use super::head::Role;
use super::json::{ToolEvent, Total, Unsent};
use super::keys::Keys;
use super::lives::Lives;
use super::numbers::{self, counting};
use super::participants::{Basis, Participants, Sender};
use super::quick::Record;
use super::reading::{Halt, LineEvent};
use super::source::Source;
use super::summary::{KafkatestNote, KafkatestSummary};
use super::topics::Topics;

/// Kafka's clients print this for a partition that was never chosen.
const NO_PARTITION: PartitionIndex = PartitionIndex::new(-1);

/// The errors after which a record is certainly not written: the Java client gave up before
/// it made a request of it, and would have with every attempt. All others describe the last
/// attempt, and prove nothing about one before it whose answer was lost: a right may have
/// been withdrawn, or a limit lowered, after the record was stored.
const CERTAIN: [&str; 2] = ["SerializationException", "InvalidTopicException"];
/// A record may be too large for the broker or for the client. This the client
/// says, of its own `max.request.size` and `buffer.memory`.
const TOO_LARGE: &str = "RecordTooLargeException";
const TOO_LARGE_TO_SEND: &str = "bytes when serialized which is larger than";

/// Tells the events of a producer's file.
pub(super) struct ProducerFile<'d> {
    participants: &'d Participants,
    keys: Option<&'d Keys>,
    lives: Option<&'d Lives>,
    source: &'d Source,
    file: usize,
    out: &'d mut EventSender,
    topics: Topics,
    incarnation: usize,
    process: Option<Process>,
    /// The sender of the record before.
    last: Option<(Sender, ProducerIx)>,
    /// With values that do not count.
    uncounted: u64,
}

/// One process that wrote the file.
#[derive(Default)]
struct Process {
    acknowledged: u64,
    failed: u64,
    total: Option<Total>,
    ended: bool,
    /// Whether it has sends behind its end.
    is_late: bool,
    senders: Vec<ProducerIx>,
}

impl<'d> ProducerFile<'d> {
    pub(super) fn new(
        known: Context<'d>,
        source: &'d Source,
        file: usize,
        out: &'d mut EventSender,
    ) -> Self {
        Self {
            participants: known.participants,
            keys: known.keys,
            lives: known.lives,
            source,
            file,
            out,
            topics: Topics::new(),
            incarnation: 0,
            process: None,
            last: None,
            uncounted: 0,
        }
    }

    pub(super) fn take(
        &mut self,
        told: &LineEvent<'_>,
        summary: &mut KafkatestSummary,
    ) -> Result<(), Halt> {
        Role::Producer.admit(told)?;
        match told {
            LineEvent::Record(record) => self.acknowledged(record),
            LineEvent::Other { at_ms, said } => {
                let at = self.participants.moment(*at_ms);
                match said {
                    ToolEvent::Started => {
                        self.close(at, summary);
                        if self.incarnation > 0 && self.participants.basis == Basis::Heads {
                            return Err(Halt::Anew);
                        }
                        self.process();
                    }
                    ToolEvent::Unsent(unsent) => self.failed(at, unsent)?,
                    ToolEvent::Total(total) => self.process().total = Some(*total),
                    ToolEvent::Ended => self.process().ended = true,
                    _ => {
                        self.process();
                    }
                }
                Ok(())
            }
        }
    }

    /// Emits the events at the end of the file.
    pub(super) fn finish(mut self, summary: &mut KafkatestSummary) -> Vec<i32> {
        self.close(Micros::default(), summary);
        if self.incarnation == 0 {
            summary.notes.push(KafkatestNote::Unfinished {
                path: self.source.name.clone(),
                incarnation: 1,
            });
        }
        let path = self.source.name.display();
        if self.uncounted > 0 {
            summary.lacking.push(format!(
                "{path}: {} records have values that do not count, so that they cannot be told apart",
                self.uncounted
            ));
        }
        self.topics.counts()
    }

    fn process(&mut self) -> &mut Process {
        self.process.get_or_insert_default()
    }

    /// Ends the process that wrote the file so far.
    fn close(&mut self, at: Micros, summary: &mut KafkatestSummary) {
        let Some(process) = self.process.take() else {
            return;
        };
        self.incarnation += 1;
        self.last = None;
        let told = process.acknowledged + process.failed;
        if process.total.is_none_or(|total| total.sent > told) {
            for producer in &process.senders {
                let producer = *producer;
                self.out.send(at, Body::SendsUnrecorded { producer });
            }
        }
        let path = self.source.name.display();
        let mut lack = |what: String| {
            let number = self.incarnation;
            summary
                .lacking
                .push(format!("{path}: producer {number} {what}"));
        };
        if let Some(total) = process.total {
            if total.sent > told {
                let producer = process.senders.first().copied().unwrap_or_default();
                let sends = total.sent - told;
                self.out
                    .send(at, Body::SendsWithoutOutcome { producer, sends });
            }
            if total.sent < told {
                lack(format!(
                    "says that it sent {}, and tells of {told}",
                    total.sent
                ));
            }
            if total.acked < process.acknowledged {
                lack(format!(
                    "says that {} records were acknowledged, and tells of {}",
                    total.acked, process.acknowledged
                ));
            }
        }
        if process.is_late {
            lack("tells of sends behind its own end (shutdown_complete)".to_owned());
        }
        match process.total {
            None => summary.notes.push(KafkatestNote::Unfinished {
                path: self.source.name.clone(),
                incarnation: self.incarnation,
            }),
            Some(total) if total.acked > process.acknowledged => summary.lacking.push(format!(
                "{}: producer {} says that {} records were acknowledged, and tells of {}",
                self.source.name.display(),
                self.incarnation,
                total.acked,
                process.acknowledged
            )),
            Some(_) => {}
        }
    }

    fn acknowledged(&mut self, line: &Record<'_>) -> Result<(), Halt> {
        let at = self.participants.moment(line.at_ms);
        let to = self
            .topics
            .partition(line.topic, line.partition, self.participants)?
            .ok_or_else(|| self.unforeseen())?;
        let offset = numbers::acknowledged_offset(line.offset)?;
        if self.keys.is_none() && line.key.flatten().is_some() {
            // The keys have not been surveyed so far.
            return Err(Halt::Anew);
        }
        let process = self.process();
        process.acknowledged += 1;
        process.is_late |= process.ended;
        let record = if let Some(value) = line.value.and_then(counting) {
            RecordId {
                producer: self.sender(to, value.prefix)?,
                sequence: value.count,
            }
        } else {
            self.uncounted += 1;
            if self.participants.basis == Basis::Heads {
                return Err(Halt::Anew);
            }
            if !offset.is_given() {
                return Ok(());
            }
            self.participants
                .by_place(to, offset)
                .ok_or(KafkatestFlaw::Changed)?
        };
        let to = self
            .lives
            .map_or(to, |lives| lives.at(to, line.at_ms).partition);
        let outcome = Outcome::Acknowledged { at: to, offset };
        self.out.send(at, Body::SendCompleted { record, outcome });
        Ok(())
    }

    fn failed(&mut self, at: Micros, line: &Unsent<'_>) -> Result<(), Halt> {
        let topic = self
            .topics
            .topic(line.topic.as_bytes(), self.participants)
            .ok_or_else(|| self.unforeseen())?;
        let process = self.process();
        process.failed += 1;
        process.is_late |= process.ended;
        let value = line.value.as_ref().map(|value| value.as_bytes());
        let Some(value) = value.and_then(counting) else {
            self.uncounted += 1;
            return Ok(());
        };
        let to = PartitionRef {
            topic,
            partition: NO_PARTITION,
        };
        let record = RecordId {
            producer: self.sender(to, value.prefix)?,
            sequence: value.count,
        };
        let outcome = outcome(line);
        self.out.send(at, Body::SendInvoked { record, to });
        self.out.send(at, Body::SendCompleted { record, outcome });
        Ok(())
    }

    /// The producer that sends with this prefix to this topic.
    fn sender(&mut self, to: PartitionRef, prefix: Option<i32>) -> Result<ProducerIx, Halt> {
        let sender = Sender {
            file: self.file,
            incarnation: self.incarnation,
            topic: to.topic,
            prefix,
        };
        if let Some((last, producer)) = self.last
            && last == sender
        {
            return Ok(producer);
        }
        let found = self.participants.find_sender(&sender);
        let producer = found.ok_or_else(|| self.unforeseen())?;
        self.last = Some((sender, producer));
        let process = self.process();
        if !process.senders.contains(&producer) {
            process.senders.push(producer);
        }
        Ok(producer)
    }

    /// The consequence of a client that is missing in the participants.
    fn unforeseen(&self) -> Halt {
        match self.participants.basis {
            Basis::Heads => Halt::Anew,
            Basis::Survey => Halt::Flaw(KafkatestFlaw::Changed),
        }
    }
}

/// The outcome of a record that was not acknowledged.
fn outcome(line: &Unsent<'_>) -> Outcome {
    // Kafka prints `class org.apache.kafka.common.errors.TimeoutException`.
    let class = line.exception.as_deref().unwrap_or_default();
    let class = class.rsplit(['.', ' ']).next().unwrap_or_default();
    let error = match &line.message {
        Some(message) => format!("{class}: {message}"),
        None => class.to_owned(),
    };
    let too_large_to_send = class == TOO_LARGE && error.contains(TOO_LARGE_TO_SEND);
    if CERTAIN.contains(&class) || too_large_to_send {
        Outcome::Failed { error }
    } else {
        Outcome::Unknown { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_certain(class: &str, message: &str) -> bool {
        let unsent = Unsent {
            topic: "t".into(),
            value: Some("0".into()),
            exception: Some(format!("class org.apache.kafka.common.errors.{class}").into()),
            message: Some(message.into()),
        };
        matches!(outcome(&unsent), Outcome::Failed { .. })
    }

    #[test]
    fn only_what_was_never_sent_is_certainly_not_written() {
        let sized = "The message is 93 bytes when serialized which is larger than 90, which is \
            the value of the max.request.size configuration.";
        assert!(is_certain("RecordTooLargeException", sized));
        assert!(is_certain("SerializationException", "no such class"));
        assert!(is_certain("InvalidTopicException", "not a topic"));
        for (class, message) in [
            // The broker's limit may have been lowered since an earlier attempt,
            (
                "RecordTooLargeException",
                "The request included a message larger than the max message size the server \
                 will accept.",
            ),
            // and a right withdrawn.
            ("TopicAuthorizationException", "Not authorized"),
            ("ClusterAuthorizationException", "Not authorized"),
            ("TransactionalIdAuthorizationException", "Not authorized"),
            ("InvalidTimestampException", "out of range"),
            ("OutOfOrderSequenceException", "out of order"),
            ("TimeoutException", "Expiring 1 record(s)"),
            (
                "NotEnoughReplicasException",
                "fewer in-sync replicas than required",
            ),
        ] {
            assert!(!is_certain(class, message), "{class}");
        }
    }
}
