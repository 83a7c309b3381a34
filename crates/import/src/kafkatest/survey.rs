//! Reads every file to its end before the conversion, one after the other: for recordings
//! whose first events do not identify all clients, such as those of producers that were
//! started again.

use std::collections::BTreeSet;

use model::ids::{PartitionRef, ProducerIx, TopicIx};

use super::error::KafkatestError;
use super::head::{Head, Role};
use super::json::ToolEvent;
use super::numbers::{self, counting};
use super::participants::{Basis, FileRole, Participants, Producer, Runs, Sender, UnknownSenders};
use super::quick::Record;
use super::reading::{Halt, Halted, LineEvent, read};
use super::source::Source;
use super::summary::KafkatestSummary;

/// Finds the participants in every event.
pub(super) fn survey(sources: &[Source], heads: &[Head]) -> Result<Participants, KafkatestError> {
    let mut participants = Participants::new(Basis::Survey, heads);
    participants.cast(sources, heads)?;
    let mut surveyor = Surveyor {
        participants,
        partitions: BTreeSet::new(),
        file: 0,
        process: None,
        incarnation: 0,
        producers: 0,
        unsaid: false,
        failed: None,
    };
    for (file, source) in sources.iter().enumerate() {
        surveyor.file = file;
        surveyor.incarnation = 0;
        let went = read(source, &mut KafkatestSummary::default(), |told| {
            surveyor.see(&told)
        });
        match (went, surveyor.failed.take()) {
            (_, Some(error)) | (Err(Halted::Error(error)), None) => return Err(error),
            (Ok(()) | Err(Halted::Enough | Halted::Anew), None) => surveyor.close(),
        }
    }
    let strangers = if surveyor.unsaid || surveyor.producers == 0 {
        UnknownSenders::Excused
    } else {
        UnknownSenders::Phantoms
    };
    let mut participants = surveyor.participants;
    for producer in &mut participants.producers {
        producer.places.values_mut().for_each(Runs::sort);
    }
    participants.conclude(strangers, &surveyor.partitions)?;
    Ok(participants)
}

struct Surveyor {
    participants: Participants,
    partitions: BTreeSet<PartitionRef>,
    file: usize,
    /// The process that is writing the file.
    process: Option<Process>,
    incarnation: usize,
    /// Processes that sent.
    producers: u64,
    /// Whether a producer may have sent records that are not in its file.
    unsaid: bool,
    /// An error that is no line's.
    failed: Option<KafkatestError>,
}

struct Process {
    started_ms: u64,
    sent: Option<u64>,
    senders: Vec<ProducerIx>,
}

impl Surveyor {
    fn part(&self) -> FileRole {
        let part = self.participants.parts.get(self.file).copied();
        part.unwrap_or(FileRole::Silent)
    }

    fn see(&mut self, told: &LineEvent<'_>) -> Result<(), Halt> {
        match self.part() {
            FileRole::Producer => {
                Role::Producer.admit(told)?;
                self.see_producer(told)
            }
            FileRole::Consumer(..) => {
                Role::Consumer.admit(told)?;
                self.see_consumer(told)
            }
            FileRole::Silent => {
                if let LineEvent::Other { at_ms, .. } = told {
                    self.process(*at_ms);
                }
                Ok(())
            }
        }
    }

    /// The process that writes, begun if it is new.
    fn process(&mut self, at_ms: u64) -> &mut Process {
        self.process.get_or_insert(Process {
            started_ms: at_ms,
            sent: None,
            senders: Vec::new(),
        })
    }

    fn close(&mut self) {
        let Some(process) = self.process.take() else {
            // A producer's file without a line: it may have sent records.
            self.unsaid |= self.part() == FileRole::Producer && self.incarnation == 0;
            return;
        };
        self.incarnation += 1;
        if let FileRole::Consumer(..) = self.part() {
            return;
        }
        self.producers += u64::from(!process.senders.is_empty());
        self.unsaid |= process.senders.is_empty() && process.sent != Some(0);
        for producer in process.senders {
            if let Some(known) = self.known(producer) {
                known.started_ms = process.started_ms;
                known.sent = process.sent;
            }
        }
    }

    fn known(&mut self, producer: ProducerIx) -> Option<&mut Producer> {
        let ix = usize::try_from(producer.get()).ok()?;
        self.participants.producers.get_mut(ix)
    }

    fn see_producer(&mut self, told: &LineEvent<'_>) -> Result<(), Halt> {
        match told {
            LineEvent::Record(record) => self.see_acknowledged(record),
            LineEvent::Other { at_ms, said } => {
                if **said == ToolEvent::Started && self.process.is_some() {
                    self.close();
                }
                self.process(*at_ms);
                match said {
                    ToolEvent::Unsent(unsent) => {
                        let value = unsent.value.as_ref().map(|value| value.as_bytes());
                        let topic = self.topic(unsent.topic.as_bytes())?;
                        self.sender(topic, value)?;
                    }
                    ToolEvent::Total(total) => self.process(*at_ms).sent = Some(total.sent),
                    _ => {}
                }
                Ok(())
            }
        }
    }

    fn see_acknowledged(&mut self, record: &Record<'_>) -> Result<(), Halt> {
        self.process(record.at_ms);
        let at = self.partition(record.topic, record.partition)?;
        let offset = numbers::acknowledged_offset(record.offset)?;
        let Some((producer, count)) = self.sender(at.topic, record.value)? else {
            // Its readers will know it by its place.
            self.unsaid = true;
            return Ok(());
        };
        if offset.is_given()
            && let Some(known) = self.known(producer)
        {
            known.acknowledged.insert(count);
            known.places.entry(at).or_default().insert(offset);
        }
        Ok(())
    }

    /// The producer that sends such a value to a topic, and the record's number; none for a
    /// value that is no number.
    fn sender(
        &mut self,
        topic: TopicIx,
        value: Option<&[u8]>,
    ) -> Result<Option<(ProducerIx, u64)>, Halt> {
        let Some(value) = value.and_then(counting) else {
            return Ok(None);
        };
        let sender = self.participants.sender(Sender {
            file: self.file,
            incarnation: self.incarnation,
            topic,
            prefix: value.prefix,
        });
        let producer = sender.map_err(|error| self.fail(error))?;
        if let Some(process) = &mut self.process
            && !process.senders.contains(&producer)
        {
            process.senders.push(producer);
        }
        Ok(Some((producer, value.count.get())))
    }

    fn see_consumer(&mut self, told: &LineEvent<'_>) -> Result<(), Halt> {
        match told {
            LineEvent::Record(record) => {
                numbers::record_offset(record.offset)?;
                self.read_from(record.topic, record.partition)
            }
            LineEvent::Other { said, .. } => match said {
                ToolEvent::Assigned(all) | ToolEvent::Revoked(all) => all
                    .partitions
                    .iter()
                    .try_for_each(|it| self.read_from(it.topic.as_bytes(), it.partition)),
                ToolEvent::Consumed(sum) => sum
                    .partitions
                    .iter()
                    .try_for_each(|it| self.read_from(it.topic.as_bytes(), it.partition)),
                ToolEvent::Committed(all) => all
                    .offsets
                    .iter()
                    .try_for_each(|it| self.read_from(it.topic.as_bytes(), it.partition)),
                _ => Ok(()),
            },
        }
    }

    fn read_from(&mut self, topic: &[u8], partition: i64) -> Result<(), Halt> {
        let at = self.partition(topic, partition)?;
        self.participants.subscribe(self.file, at.topic);
        Ok(())
    }

    fn topic(&mut self, name: &[u8]) -> Result<TopicIx, Halt> {
        let number = self.participants.topics.number(name);
        Ok(TopicIx::new(number.map_err(|error| self.fail(error))?))
    }

    fn partition(&mut self, topic: &[u8], partition: i64) -> Result<PartitionRef, Halt> {
        let at = PartitionRef {
            topic: self.topic(topic)?,
            partition: numbers::partition(partition)?,
        };
        self.partitions.insert(at);
        Ok(at)
    }

    fn fail(&mut self, error: KafkatestError) -> Halt {
        self.failed = Some(error);
        Halt::Enough
    }
}
