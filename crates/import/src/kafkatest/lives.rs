//! Offsets that were given again: because a topic was deleted and made again, or a log was
//! lost or cut, two records have one offset, one after the other. The later records are
//! given as another partition, of a topic `NAME(2)`.
//!
//! Two records of one offset were there one after the other where everything
//! that is known of the first (its acknowledgement, its readings) lies before
//! everything that is known of the second. A partition is divided at as few
//! moments as explain all of its offsets; where any is not explained like that,
//! two records stood at one offset at one time, and it is not divided.
//!
//! Reads every file once more, producers' first, and only where two records
//! have one offset.

mod known;

use std::collections::{BTreeMap, HashMap, HashSet};

use model::event::Restart;
use model::ids::{Offset, PartitionRef, ProducerIx, TopicIx};

use super::error::KafkatestError;
use super::json::ToolEvent;
use super::keys::digest;
use super::numbers::{self, counting};
use super::participants::{FileRole, Participants, Sender};
use super::quick::{Kind, Record};
use super::reading::{Halt, Halted, LineEvent, read};
use super::source::Source;
use super::summary::KafkatestSummary;
use super::topics::Topics;
use known::KnownOffsets;

/// Records that are held at once, at most: some 64 bytes each.
const RECORDS_MAX: usize = 1 << 23;
/// Lives of one partition that are told apart, at most.
const LIVES_MAX: usize = 64;

/// The known facts about one record at one offset.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    sender: Option<ProducerIx>,
    value: u64,
    first_ms: u64,
    last_ms: u64,
}

/// The lives of one partition.
#[derive(Debug, Default)]
struct Division {
    /// When the second begins, and the third.
    begins_ms: Vec<u64>,
    /// The lowest offset of each of these, and how it came to be given again.
    first: Vec<(Offset, Restart)>,
    /// Reads in a later life than the record's own.
    stragglers: HashMap<Offset, Vec<(u64, usize)>>,
    /// The senders of records acknowledged at one offset more than once, by life.
    senders: HashMap<(Offset, usize), ProducerIx>,
}

/// The lives of every partition that has more than one.
#[derive(Debug, Default)]
pub(super) struct Lives {
    divided: BTreeMap<PartitionRef, Division>,
    /// The topic that stands for a topic's later life.
    pub(super) topics: BTreeMap<(TopicIx, usize), TopicIx>,
}

/// A partition in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lived {
    pub(super) partition: PartitionRef,
    pub(super) life: usize,
}

impl Lives {
    pub(super) fn is_empty(&self) -> bool {
        self.divided.is_empty()
    }

    /// The partition as it was at a moment.
    pub(super) fn at(&self, base: PartitionRef, at_ms: u64) -> Lived {
        let division = self.divided.get(&base);
        let life = division.map_or(0, |it| {
            it.begins_ms.partition_point(|begin| *begin <= at_ms)
        });
        self.of_life(base, life)
    }

    /// The partition that a record was read from.
    pub(super) fn read(
        &self,
        base: PartitionRef,
        at_ms: u64,
        offset: Offset,
        value: Option<&[u8]>,
    ) -> Lived {
        let division = self.divided.get(&base);
        let stragglers = division.and_then(|it| it.stragglers.get(&offset));
        let value = value.map_or(0, |value| digest(Some(value)));
        let own = stragglers
            .into_iter()
            .flatten()
            .find(|(of, _)| *of == value);
        match own {
            Some((_, life)) => self.of_life(base, *life),
            None => self.at(base, at_ms),
        }
    }

    /// Who sent what stands at an offset in one of its lives, where more than
    /// one life has something there.
    pub(super) fn sender(
        &self,
        base: PartitionRef,
        offset: Offset,
        life: usize,
    ) -> Option<ProducerIx> {
        let division = self.divided.get(&base)?;
        division.senders.get(&(offset, life)).copied()
    }

    /// Every life of a partition.
    pub(super) fn all(&self, base: PartitionRef) -> impl Iterator<Item = PartitionRef> + '_ {
        let lives = self.divided.get(&base).map_or(0, |it| it.begins_ms.len());
        (0..=lives).map(move |life| self.of_life(base, life).partition)
    }

    /// What became of each life but the last: the partition, the one after it,
    /// the first offset that was given again, and how.
    pub(super) fn restarts(
        &self,
    ) -> impl Iterator<Item = (PartitionRef, PartitionRef, Offset, Restart)> + '_ {
        self.divided.iter().flat_map(move |(base, division)| {
            let firsts = division.first.iter().enumerate();
            firsts.map(move |(life, (first, how))| {
                let before = self.of_life(*base, life).partition;
                let since = self.of_life(*base, life + 1).partition;
                (before, since, *first, *how)
            })
        })
    }

    fn of_life(&self, base: PartitionRef, life: usize) -> Lived {
        let topic = self.topics.get(&(base.topic, life)).copied();
        Lived {
            partition: PartitionRef {
                topic: topic.unwrap_or(base.topic),
                ..base
            },
            life,
        }
    }
}

#[derive(Default)]
struct Scan {
    file: usize,
    incarnation: usize,
    begun: bool,
    topics: Option<Topics>,
    held: usize,
    known: BTreeMap<PartitionRef, KnownOffsets>,
    /// Sends that may have filled an offset of which nothing is known.
    unaccounted: u64,
    /// What the process has told so far, and whether it has said how much it
    /// sent.
    told: u64,
    is_whole: bool,
    is_full: bool,
}

/// Reads every file, and tells lives apart. Their topics are added to the
/// participants.
pub(super) fn survey(
    sources: &[Source],
    participants: &mut Participants,
) -> Result<Lives, KafkatestError> {
    let mut look = Scan {
        is_whole: true,
        ..Scan::default()
    };
    let producers = |file: &usize| participants.parts.get(*file) == Some(&FileRole::Producer);
    let files = 0..sources.len();
    let (first, second): (Vec<usize>, Vec<usize>) = files.partition(producers);
    for file in first.into_iter().chain(second) {
        let Some(source) = sources.get(file) else {
            continue;
        };
        look.file = file;
        (look.incarnation, look.begun, look.told) = (0, false, 0);
        look.topics = Some(Topics::new());
        let sends = participants.parts.get(file) == Some(&FileRole::Producer);
        let went = read(source, &mut KafkatestSummary::default(), |told| {
            look.see(&told, participants, sends)
        });
        if let Err(Halted::Error(error)) = went {
            return Err(error);
        }
        // The last process has not said how much it sent.
        look.is_whole &= !(sends && look.begun);
    }
    look.conclude(participants)
}

impl Scan {
    fn see(
        &mut self,
        told: &LineEvent<'_>,
        participants: &Participants,
        sends: bool,
    ) -> Result<(), Halt> {
        match told {
            LineEvent::Record(record) => {
                self.begun |= sends;
                self.told += 1;
                self.record(record, participants)
            }
            LineEvent::Other { said, .. } => {
                match said {
                    ToolEvent::Started if self.begun => {
                        self.is_whole = false;
                        self.incarnation += 1;
                        self.told = 0;
                    }
                    ToolEvent::Started => self.begun = sends,
                    ToolEvent::Unsent(_) => {
                        self.unaccounted += 1;
                        self.told += 1;
                    }
                    ToolEvent::Total(total) => {
                        self.unaccounted += total.sent.saturating_sub(self.told);
                        self.begun = false;
                        self.incarnation += 1;
                        self.told = 0;
                    }
                    _ => {}
                }
                Ok(())
            }
        }
    }

    fn record(&mut self, record: &Record<'_>, participants: &Participants) -> Result<(), Halt> {
        let Some(topics) = &mut self.topics else {
            return Ok(());
        };
        let at = topics.partition(record.topic, record.partition, participants)?;
        let offset = match record.kind {
            Kind::Sent => {
                Some(numbers::acknowledged_offset(record.offset)?).filter(|it| it.is_given())
            }
            Kind::Read => Some(numbers::record_offset(record.offset)?),
        };
        let (Some(at), Some(offset)) = (at, offset) else {
            return Ok(());
        };
        let value = record.value.map_or(0, |value| digest(Some(value)));
        let sender = match record.kind {
            Kind::Sent => record.value.and_then(counting).and_then(|value| {
                participants.find_sender(&Sender {
                    file: self.file,
                    incarnation: self.incarnation,
                    topic: at.topic,
                    prefix: value.prefix,
                })
            }),
            Kind::Read => None,
        };
        if self.held >= RECORDS_MAX {
            self.is_full = true;
            return Err(Halt::Enough);
        }
        let here = self.known.entry(at).or_default();
        let alike = |it: &&mut Evidence| {
            it.value == value && (sender.is_none() || it.sender.is_none() || it.sender == sender)
        };
        // Of several the latest that began before.
        let known = here
            .at(offset)
            .filter(alike)
            .max_by_key(|it| (it.first_ms <= record.at_ms, it.first_ms));
        if let Some(known) = known {
            known.first_ms = known.first_ms.min(record.at_ms);
            known.last_ms = known.last_ms.max(record.at_ms);
            known.sender = known.sender.or(sender);
        } else {
            self.held += 1;
            let evidence = Evidence {
                sender,
                value,
                first_ms: record.at_ms,
                last_ms: record.at_ms,
            };
            here.add(offset, evidence);
        }
        Ok(())
    }

    fn conclude(self, participants: &mut Participants) -> Result<Lives, KafkatestError> {
        let mut lives = Lives::default();
        if self.is_full {
            return Ok(lives);
        }
        // As many sends as these may stand where nothing is known to.
        let gap = self.is_whole.then_some(self.unaccounted);
        for (partition, known) in &self.known {
            let Some(begins_ms) = moments(known) else {
                continue;
            };
            let division = divide(known, begins_ms, gap);
            for life in 1..=division.begins_ms.len() {
                let key = (partition.topic, life);
                if lives.topics.contains_key(&key) {
                    continue;
                }
                let name = participants.topics.name(partition.topic.get());
                let name = format!("{}({})", name.unwrap_or_default(), life + 1);
                let topic = TopicIx::new(participants.topics.number(name.as_bytes())?);
                lives.topics.insert(key, topic);
                for topics in participants.subscriptions.values_mut() {
                    if topics.contains(&partition.topic) {
                        topics.insert(topic);
                    }
                }
            }
            lives.divided.insert(*partition, division);
        }
        Ok(lives)
    }
}

/// The moments at which offsets were given again, as few as explain all of
/// them; none where there are none, or where they cannot be explained.
fn moments(known: &KnownOffsets) -> Option<Vec<u64>> {
    let mut between: Vec<(u64, u64)> = Vec::new();
    for (_, mut here) in known.with_several() {
        here.sort_by_key(|it| it.first_ms);
        for pair in here.windows(2) {
            let (before, after) = (pair[0].last_ms, pair[1].first_ms);
            if before >= after {
                return None;
            }
            between.push((after, before));
        }
    }
    between.sort_unstable();
    let mut moments: Vec<u64> = Vec::new();
    for (after, before) in between {
        if moments.last().is_none_or(|last| *last <= before) {
            moments.push(after);
        }
    }
    (!moments.is_empty() && moments.len() < LIVES_MAX).then_some(moments)
}

fn divide(known: &KnownOffsets, begins_ms: Vec<u64>, gap: Option<u64>) -> Division {
    let life_at = |at_ms: u64| begins_ms.partition_point(|begin| *begin <= at_ms);
    let mut lowest = vec![None; begins_ms.len() + 1];
    let mut stragglers: HashMap<Offset, Vec<(u64, usize)>> = HashMap::new();
    let mut senders = HashMap::new();
    // The lowest offset that was seen of an earlier life in a later one.
    let mut stayed: Vec<Option<Offset>> = vec![None; begins_ms.len() + 1];
    let several: HashSet<Offset> = known.with_several().map(|(offset, _)| offset).collect();
    for (offset, evidence) in known.iter() {
        let (life, last) = (life_at(evidence.first_ms), life_at(evidence.last_ms));
        let known = &mut lowest[life];
        *known = Some(known.map_or(offset, |known: Offset| known.min(offset)));
        if life < last {
            let of = stragglers.entry(offset).or_default();
            of.push((evidence.value, life));
            for later in &mut stayed[life + 1..=last] {
                *later = Some(later.map_or(offset, |it: Offset| it.min(offset)));
            }
        }
        if let Some(sender) = evidence.sender
            && several.contains(&offset)
        {
            senders.insert((offset, life), sender);
        }
    }
    let first = (1..=begins_ms.len()).map(|life| {
        let first = lowest[life].unwrap_or(Offset::new(0));
        let below = stayed[life].is_some_and(|offset| offset < first);
        let unfilled = gap.is_some_and(|gap| first.get().unsigned_abs() > gap);
        let how = if first.get() > 0 && (below || unfilled) {
            Restart::Cut
        } else {
            Restart::Unknown
        };
        (first, how)
    });
    let first = first.collect();
    Division {
        begins_ms,
        first,
        stragglers,
        senders,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(of: &[(i64, u64, u64, u64)]) -> KnownOffsets {
        let mut known = KnownOffsets::default();
        for (offset, value, first_ms, last_ms) in of {
            let evidence = Evidence {
                sender: None,
                value: *value,
                first_ms: *first_ms,
                last_ms: *last_ms,
            };
            known.add(Offset::new(*offset), evidence);
        }
        known
    }

    #[test]
    fn as_few_moments_as_explain_all_offsets() {
        for (of, expected) in [
            (&[(0, 1, 1, 5), (1, 2, 2, 3)][..], None),
            (&[(0, 1, 1, 5), (0, 2, 7, 9)], Some(vec![7])),
            (
                &[(0, 1, 1, 5), (0, 2, 7, 9), (1, 3, 2, 6), (1, 4, 8, 8)],
                Some(vec![7]),
            ),
            // The second offset was given again later.
            (
                &[(0, 1, 1, 2), (0, 2, 4, 4), (1, 3, 2, 5), (1, 4, 8, 8)],
                Some(vec![4, 8]),
            ),
            // Both at one time: two records at one offset.
            (&[(0, 1, 1, 5), (0, 2, 4, 9)], None),
            (&[(0, 1, 1, 4), (0, 2, 4, 9)], None),
        ] {
            assert_eq!(moments(&known(of)), expected, "{of:?}");
        }
    }

    #[test]
    fn a_log_was_cut_where_the_old_one_goes_on_below_or_nothing_else_can() {
        let of = [(0, 1, 1, 20), (1, 2, 2, 3), (1, 3, 10, 11)];
        for (of, gap, how) in [
            (&of[..], None, Restart::Cut),
            (&of[1..], None, Restart::Unknown),
            (&of[1..], Some(0), Restart::Cut),
            (&of[1..], Some(1), Restart::Unknown),
        ] {
            let known = known(of);
            let moments = moments(&known).unwrap();
            let division = divide(&known, moments, gap);
            assert_eq!(division.first, [(Offset::new(1), how)], "{of:?} {gap:?}");
        }
        let again = known(&[(0, 1, 1, 2), (0, 2, 5, 6), (1, 3, 1, 9)]);
        let division = divide(&again, moments(&again).unwrap(), Some(0));
        assert_eq!(division.first, [(Offset::new(0), Restart::Unknown)]);
    }
}
