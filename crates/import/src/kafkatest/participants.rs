//! The participants of a recording: numbers for topics, groups, members and producers, and
//! the producer of a value that was read. Knows nothing of how files are read.
//!
//! A value is a number, and only its prefix identifies its producer. Where each prefix of a
//! topic is one producer's, that is enough. Where several producers send equal values
//! (without a prefix, or after a restart that counts from 0), a record that was read is the
//! one acknowledged at its place. One without an acknowledgement there is the
//! unacknowledged record of that value, if there is only one. All others are named after
//! their place, and it cannot be decided whether they were stored twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::event::Content;
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx,
};

use super::error::{KafkatestError, KafkatestFlaw};
use super::head::{Head, Role};
use super::names::Names;
use super::numbers::counting;
use super::source::Source;

/// The participants.
#[derive(Debug)]
pub(super) struct Participants {
    pub(super) basis: Basis,
    /// When the first event of all files was.
    origin_ms: u64,
    pub(super) topics: Names,
    pub(super) groups: Names,
    /// By group: the topics that its members read.
    pub(super) subscriptions: BTreeMap<GroupIx, BTreeSet<TopicIx>>,
    /// By file.
    pub(super) parts: Vec<FileRole>,
    members_per_incarnation: u32,
    /// By their numbers.
    pub(super) producers: Vec<Producer>,
    by_sender: HashMap<Sender, ProducerIx>,
    by_value: HashMap<(TopicIx, Option<i32>), Vec<ProducerIx>>,
    strangers: UnknownSenders,
    /// The stand-ins for producers of records that are named after their place.
    unnamed: BTreeMap<PartitionRef, ProducerIx>,
}

/// The source of the participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// The first events of each file: whatever contradicts them asks for a
    /// survey.
    Heads,
    /// Every event of every file.
    Survey,
}

/// A file's part in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRole {
    Producer,
    /// The group, and which of all consumers' files it is.
    Consumer(GroupIx, u32),
    /// Nothing in it tells.
    Silent,
}

/// A sender: a process, a topic and a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sender {
    pub(super) file: usize,
    /// Processes that wrote the file before it.
    pub(super) incarnation: usize,
    pub(super) topic: TopicIx,
    pub(super) prefix: Option<i32>,
}

/// The known facts about a sender, after a survey.
#[derive(Debug, Default)]
pub(super) struct Producer {
    pub(super) started_ms: u64,
    /// How many records it made, where it said so in the end.
    pub(super) sent: Option<u64>,
    pub(super) acknowledged: Bits,
    pub(super) places: HashMap<PartitionRef, Runs>,
}

/// The meaning of a record whose sender is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownSenders {
    /// All senders are known: it is a phantom.
    Phantoms,
    /// A producer that was killed may have sent it.
    Excused,
}

/// The identity of a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) content: Content,
    pub(super) certainty: Certainty,
}

/// How much an identity is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// It is this record, or none that was sent.
    Certain,
    /// It may be one of several: it has its place for a name.
    Guessed,
}

/// A record as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'l> {
    pub(super) at_ms: u64,
    pub(super) from: PartitionRef,
    pub(super) offset: Offset,
    pub(super) value: Option<&'l [u8]>,
}

impl Participants {
    /// Knows when everything began, and no more.
    pub(super) fn new(basis: Basis, heads: &[Head]) -> Self {
        Self {
            basis,
            origin_ms: heads
                .iter()
                .filter_map(|head| head.first_ms)
                .min()
                .unwrap_or(0),
            topics: Names::new("topics"),
            groups: Names::new("consumer groups"),
            subscriptions: BTreeMap::new(),
            parts: Vec::new(),
            members_per_incarnation: 0,
            producers: Vec::new(),
            by_sender: HashMap::new(),
            by_value: HashMap::new(),
            strangers: UnknownSenders::Phantoms,
            unnamed: BTreeMap::new(),
        }
    }

    /// The participants by the heads of the files; none where those are not enough.
    pub(super) fn guess(
        sources: &[Source],
        heads: &[Head],
    ) -> Result<Option<Self>, KafkatestError> {
        let mut guess = Self::new(Basis::Heads, heads);
        let mut producers = 0;
        guess.cast(sources, heads)?;
        for (file, head) in heads.iter().enumerate() {
            match head.role {
                Some(Role::Producer) => {
                    let (Some(topic), Some(value)) = (&head.topic, head.value) else {
                        return Ok(None);
                    };
                    producers += 1;
                    let topic = TopicIx::new(guess.topics.number(topic)?);
                    guess.sender(Sender {
                        file,
                        incarnation: 0,
                        topic,
                        prefix: value.prefix,
                    })?;
                }
                Some(Role::Consumer) => {
                    if let Some(topic) = &head.topic {
                        let topic = TopicIx::new(guess.topics.number(topic)?);
                        guess.subscribe(file, topic);
                    }
                }
                // A producer that was killed at once, perhaps.
                None if guess.parts.get(file) == Some(&FileRole::Producer) => return Ok(None),
                None if guess.parts.get(file) == Some(&FileRole::Silent)
                    && head.first_ms.is_some() =>
                {
                    return Ok(None);
                }
                None => {}
            }
        }
        let alike = guess.by_value.values().any(|alike| alike.len() > 1);
        Ok((producers > 0 && !alike).then_some(guess))
    }

    /// Gives each file its part, and each group its number.
    pub(super) fn cast(
        &mut self,
        sources: &[Source],
        heads: &[Head],
    ) -> Result<(), KafkatestError> {
        for (source, head) in sources.iter().zip(heads) {
            let part = match (head.role, source.group(), &source.group) {
                (Some(Role::Producer), _, Some(group)) => {
                    return Err(KafkatestError::NotAConsumer {
                        path: source.name.clone(),
                        group: group.clone(),
                    });
                }
                (Some(Role::Producer), ..) => FileRole::Producer,
                (None, _, None) if source.is_producers() => FileRole::Producer,
                // One that has read nothing is known by its name.
                (Some(Role::Consumer) | None, Some(group), _) => {
                    let group = GroupIx::new(self.groups.number(group.as_bytes())?);
                    self.subscriptions.entry(group).or_default();
                    let ordinal = self.members_per_incarnation;
                    self.members_per_incarnation += 1;
                    FileRole::Consumer(group, ordinal)
                }
                (Some(Role::Consumer), None, _) => {
                    return Err(KafkatestError::Groupless {
                        path: source.name.clone(),
                    });
                }
                (None, ..) => FileRole::Silent,
            };
            self.parts.push(part);
        }
        Ok(())
    }

    /// The producer that a sender is, a new one where it is not known.
    pub(super) fn sender(&mut self, sender: Sender) -> Result<ProducerIx, KafkatestError> {
        if let Some(producer) = self.by_sender.get(&sender) {
            return Ok(*producer);
        }
        let producer = producer_ix(self.producers.len())?;
        self.producers.push(Producer::default());
        self.by_sender.insert(sender, producer);
        let alike = self.by_value.entry((sender.topic, sender.prefix));
        alike.or_default().push(producer);
        Ok(producer)
    }

    /// Notes that a file's group reads a topic.
    pub(super) fn subscribe(&mut self, file: usize, topic: TopicIx) {
        if let Some(FileRole::Consumer(group, _)) = self.parts.get(file) {
            self.subscriptions.entry(*group).or_default().insert(topic);
        }
    }

    /// Whether a file's group is known to read a topic.
    pub(super) fn reads(&self, file: usize, topic: TopicIx) -> bool {
        match self.parts.get(file) {
            Some(FileRole::Consumer(group, _)) => self
                .subscriptions
                .get(group)
                .is_some_and(|topics| topics.contains(&topic)),
            _ => false,
        }
    }

    /// The result of the survey: the senders that may be missing, and which partitions
    /// there are.
    pub(super) fn conclude(
        &mut self,
        strangers: UnknownSenders,
        partitions: &BTreeSet<PartitionRef>,
    ) -> Result<(), KafkatestError> {
        self.strangers = strangers;
        for partition in partitions {
            let unnamed = producer_ix(self.producers.len() + self.unnamed.len())?;
            self.unnamed.insert(*partition, unnamed);
        }
        Ok(())
    }

    /// The stand-ins for unknown producers.
    pub(super) fn unnamed(&self) -> impl Iterator<Item = ProducerIx> + '_ {
        self.unnamed.values().copied()
    }

    pub(super) fn find_sender(&self, sender: &Sender) -> Option<ProducerIx> {
        self.by_sender.get(sender).copied()
    }

    /// A moment, in the history's time.
    pub(super) fn moment(&self, at_ms: u64) -> Micros {
        Micros::new(at_ms.saturating_sub(self.origin_ms).saturating_mul(1000))
    }

    /// A consumer's process; none where there are more than numbers.
    pub(super) fn member(&self, ordinal: u32, incarnation: u32) -> Option<MemberIx> {
        let before = incarnation.checked_mul(self.members_per_incarnation)?;
        Some(MemberIx::new(before.checked_add(ordinal)?))
    }

    /// A record that has only its place for a name; none where a survey did
    /// not see the place.
    pub(super) fn by_place(&self, at: PartitionRef, offset: Offset) -> Option<RecordId> {
        Some(RecordId {
            producer: *self.unnamed.get(&at)?,
            sequence: Sequence::new(offset.get().unsigned_abs()),
        })
    }

    /// The only producer of a prefix in a topic, where nothing else is needed
    /// to name its records.
    pub(super) fn only(&self, topic: TopicIx, prefix: Option<i32>) -> Option<ProducerIx> {
        match self.by_value.get(&(topic, prefix)).map(Vec::as_slice) {
            // One that did not tell all may have sent the same.
            Some([only]) if self.strangers == UnknownSenders::Phantoms => Some(*only),
            _ => None,
        }
    }

    /// Whether two producers send alike values to one topic, so that their records
    /// are told apart by their places.
    pub(super) fn alike(&self, one: ProducerIx, other: ProducerIx) -> bool {
        let mut values = self.by_value.values();
        values.any(|alike| alike.contains(&one) && alike.contains(&other))
    }

    /// The identity of a record that was read.
    pub(super) fn identify(&self, reading: Reading<'_>) -> Result<Identity, KafkatestFlaw> {
        let told = |content| Identity {
            content,
            certainty: Certainty::Certain,
        };
        let known = reading.value.and_then(counting).and_then(|value| {
            let alike = self.by_value.get(&(reading.from.topic, value.prefix))?;
            Some((value.count, alike))
        });
        let suspect = match known {
            Some((count, alike)) => self.among(alike, count, reading),
            None => Suspect::Nobody,
        };
        match (suspect, self.strangers) {
            (Suspect::One(record), _) => Ok(told(Content::Ours(record))),
            (Suspect::Nobody, UnknownSenders::Phantoms) => Ok(told(Content::Foreign)),
            (Suspect::Several, _) | (Suspect::Nobody, UnknownSenders::Excused) => {
                let by_place = self.by_place(reading.from, reading.offset);
                Ok(Identity {
                    content: Content::Ours(by_place.ok_or(KafkatestFlaw::Changed)?),
                    certainty: Certainty::Guessed,
                })
            }
        }
    }

    /// Which of the producers with equal values.
    fn among(&self, alike: &[ProducerIx], count: Sequence, reading: Reading<'_>) -> Suspect {
        let record = |producer| RecordId {
            producer,
            sequence: count,
        };
        let known = |ix: ProducerIx| self.producers.get(usize::try_from(ix.get()).ok()?);
        let may_have = |producer: &&ProducerIx| {
            known(**producer).is_some_and(|it| {
                it.sent.is_none_or(|sent| count.get() < sent) && it.started_ms <= reading.at_ms
            })
        };
        let acknowledged_there = |producer: &&ProducerIx| {
            known(**producer).is_some_and(|it| {
                it.acknowledged.contains(count.get())
                    && it
                        .places
                        .get(&reading.from)
                        .is_some_and(|runs| runs.contain(reading.offset))
            })
        };
        let acknowledged = |producer: &ProducerIx| {
            known(*producer).is_some_and(|it| it.acknowledged.contains(count.get()))
        };
        // One that did not tell all may have sent the same.
        if let [only] = alike
            && (self.strangers == UnknownSenders::Phantoms || may_have(&only))
        {
            return Suspect::One(record(*only));
        }
        if let Some(there) = alike.iter().find(acknowledged_there) {
            return Suspect::One(record(*there));
        }
        let able: Vec<ProducerIx> = alike.iter().filter(may_have).copied().collect();
        match able.as_slice() {
            [] => Suspect::Nobody,
            [only] => Suspect::One(record(*only)),
            // In any case the record is stored elsewhere too.
            [first, ..] if able.iter().all(acknowledged) => Suspect::One(record(*first)),
            _ => Suspect::Several,
        }
    }
}

/// The producers that may have sent a record.
enum Suspect {
    One(RecordId),
    Several,
    Nobody,
}

fn producer_ix(number: usize) -> Result<ProducerIx, KafkatestError> {
    u32::try_from(number)
        .map(ProducerIx::new)
        .map_err(|_| KafkatestError::TooMany {
            of: "producers",
            max: u32::MAX as usize,
        })
}

/// A set of numbers that mostly follow one another.
#[derive(Debug, Default)]
pub(super) struct Bits(HashMap<u64, u64>);

impl Bits {
    pub(super) fn insert(&mut self, number: u64) {
        *self.0.entry(number / 64).or_default() |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.0
            .get(&(number / 64))
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

/// Offsets, as the ranges that they form. Sorted before they are asked for.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<(Offset, Offset)>);

impl Runs {
    pub(super) fn insert(&mut self, offset: Offset) {
        if let Some((_, last)) = self.0.last_mut()
            && last.get().checked_add(1) == Some(offset.get())
        {
            *last = offset;
        } else {
            self.0.push((offset, offset));
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
        // A later range may have grown into an earlier one.
        self.0.dedup_by(|next, run| {
            let joined = next.0 <= run.1;
            if joined {
                run.1 = run.1.max(next.1);
            }
            joined
        });
    }

    fn contain(&self, offset: Offset) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= offset);
        let run = after.checked_sub(1).and_then(|ix| self.0.get(ix));
        run.is_some_and(|(_, last)| offset <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_was_put_in_and_nothing_else() {
        let mut runs = Runs::default();
        for offset in [5, 6, 7, 20, 1, 2, 3, 4, 5, 6, 30, 21] {
            runs.insert(Offset::new(offset));
        }
        runs.sort();
        let held: Vec<i64> = (0..40)
            .filter(|offset| runs.contain(Offset::new(*offset)))
            .collect();
        assert_eq!(held, [1, 2, 3, 4, 5, 6, 7, 20, 21, 30]);
    }

    #[test]
    fn a_set_of_bits_reaches_far() {
        let mut bits = Bits::default();
        bits.insert(u64::MAX);
        bits.insert(64);
        assert!(bits.contains(u64::MAX) && bits.contains(64));
        assert!(!bits.contains(0) && !bits.contains(63));
    }
}
