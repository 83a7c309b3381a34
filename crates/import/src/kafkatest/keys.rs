//! Keys of a recording: whether a record was read with the key that it was acknowledged
//! with, and which records a later one of their key may have replaced. Reads every file
//! once more, producers' first, and only where there are keys. Knows nothing of other
//! errors.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use model::ids::{Offset, PartitionRef};

use super::error::KafkatestError;
use super::numbers;
use super::participants::{FileRole, Participants};
use super::quick::{Kind, Record};
use super::reading::{Halt, Halted, LineEvent, read};
use super::source::Source;
use super::summary::KafkatestSummary;
use super::topics::Topics;

/// Records whose keys are held at once, at most: some 32 bytes each.
const RECORDS_MAX: usize = 1 << 24;
/// Keys whose latest record is held, at most.
const KEYS_MAX: usize = 1 << 23;
/// Offsets that are held together.
const BLOCK: i64 = 256;
/// The same, as a length.
const BLOCK_LEN: usize = 256;

/// The result of the survey of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Places at which a record was read with another key than acknowledged,
    /// and the digest of the key that it was acknowledged with.
    damaged: HashMap<(PartitionRef, Offset), u64>,
    /// Offsets, from the first to the last, whose records may be gone.
    pub(super) replaceable: BTreeMap<PartitionRef, Vec<(Offset, Offset)>>,
    /// Why not everything could be looked at.
    pub(super) lacking: Option<String>,
}

/// The known facts about one record.
#[derive(Clone, Copy, Debug, Default)]
struct KnownRecord {
    is_told: bool,
    is_acknowledged: bool,
    /// More than one record was acknowledged here.
    is_shared: bool,
    /// Digests; 0 for none.
    key: u64,
    value: u64,
}

type Block = Box<[KnownRecord; BLOCK_LEN]>;

#[derive(Default)]
struct Scan {
    topics: Option<Topics>,
    held: usize,
    known: BTreeMap<PartitionRef, BTreeMap<i64, Block>>,
    latest: HashMap<(PartitionRef, u64), i64>,
    damaged: HashMap<(PartitionRef, Offset), u64>,
    is_full: bool,
}

/// Reads every file for its keys.
pub(super) fn survey(
    sources: &[Source],
    participants: &Participants,
) -> Result<Keys, KafkatestError> {
    let mut look = Scan::default();
    let producers = |file: &usize| participants.parts.get(*file) == Some(&FileRole::Producer);
    let files = 0..sources.len();
    let (first, second): (Vec<usize>, Vec<usize>) = files.partition(producers);
    for file in first.into_iter().chain(second) {
        let Some(source) = sources.get(file) else {
            continue;
        };
        look.topics = Some(Topics::new());
        let went = read(
            source,
            &mut KafkatestSummary::default(),
            |told| match told {
                LineEvent::Record(record) => look.see(&record, participants),
                LineEvent::Other { .. } => Ok(()),
            },
        );
        if let Err(Halted::Error(error)) = went {
            return Err(error);
        }
    }
    Ok(look.conclude())
}

/// 64 bits of a text, the same in every run; never 0.
pub(super) fn digest(text: Option<&[u8]>) -> u64 {
    let Some(text) = text else {
        return 1;
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(2)
}

impl Scan {
    fn see(&mut self, record: &Record<'_>, participants: &Participants) -> Result<(), Halt> {
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
        let number = offset.get();
        let Some(slot) = self.slot(at, number) else {
            return Ok(());
        };
        let key = record.key.map_or(0, digest);
        let value = record.value.map_or(0, |value| digest(Some(value)));
        let before = *slot;
        match (record.kind, before.is_told) {
            (_, false) => {
                *slot = KnownRecord {
                    is_told: true,
                    is_acknowledged: record.kind == Kind::Sent,
                    is_shared: false,
                    key,
                    value,
                };
            }
            (Kind::Sent, true) => slot.is_shared |= (before.key, before.value) != (key, value),
            (Kind::Read, true) => {
                let same = before.is_acknowledged && !before.is_shared && before.value == value;
                if same && before.key != key && before.key != 0 && key != 0 {
                    self.damaged.insert((at, offset), before.key);
                }
            }
        }
        if key > 1 {
            if self.latest.len() >= KEYS_MAX && !self.latest.contains_key(&(at, key)) {
                self.is_full = true;
                return Ok(());
            }
            let latest = self.latest.entry((at, key)).or_insert(number);
            *latest = number.max(*latest);
        }
        Ok(())
    }

    fn slot(&mut self, at: PartitionRef, number: i64) -> Option<&mut KnownRecord> {
        let blocks = self.known.entry(at).or_default();
        let block = number.div_euclid(BLOCK);
        if !blocks.contains_key(&block) {
            if self.held >= RECORDS_MAX {
                self.is_full = true;
                return None;
            }
            self.held += BLOCK_LEN;
        }
        let fresh = || Box::new([KnownRecord::default(); BLOCK_LEN]);
        let block = blocks.entry(block).or_insert_with(fresh);
        block.get_mut(usize::try_from(number.rem_euclid(BLOCK)).ok()?)
    }

    fn conclude(self) -> Keys {
        let mut replaceable: BTreeMap<PartitionRef, Vec<(Offset, Offset)>> = BTreeMap::new();
        for (partition, blocks) in &self.known {
            let mut run: Option<(i64, i64)> = None;
            let mut runs = Vec::new();
            let known = blocks.iter().flat_map(|(block, slots)| {
                let first = block * BLOCK;
                (first..).zip(slots.iter()).filter(|(_, it)| it.is_told)
            });
            for (number, known) in known {
                let latest = self.latest.get(&(*partition, known.key));
                let replaced = latest.is_some_and(|latest| *latest > number);
                let deletes = known.key > 1 && known.value == 0;
                if replaced || deletes {
                    let first = run.map_or(number, |(first, _)| first);
                    run = Some((first, number));
                } else {
                    runs.extend(run.take());
                }
            }
            runs.extend(run);
            let offsets = |(first, last)| (Offset::new(first), Offset::new(last));
            if !runs.is_empty() {
                replaceable.insert(*partition, runs.into_iter().map(offsets).collect());
            }
        }
        Keys {
            damaged: self.damaged,
            replaceable,
            lacking: self.is_full.then(|| {
                "there are more keyed records than are held at once: not all keys were compared"
                    .to_owned()
            }),
        }
    }
}

impl Keys {
    /// Whether a record was read with another key than it was acknowledged with.
    #[inline]
    pub(super) fn is_damaged(
        &self,
        from: PartitionRef,
        offset: Offset,
        key: Option<Option<&[u8]>>,
    ) -> bool {
        if self.damaged.is_empty() {
            return false;
        }
        let acknowledged = self.damaged.get(&(from, offset));
        acknowledged.is_some_and(|acknowledged| key.is_some_and(|key| digest(key) != *acknowledged))
    }
}
