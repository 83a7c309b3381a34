//! The log's anomalies by their definitions, slowly and obviously: every
//! record against every other.

mod listen;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use checker::{ReplicaCoverage, TruncationCoverage};
use model::anomaly::Anomaly;
use model::event::{Body, Cleanup, Content, Event, Outcome};
use model::ids::{BrokerId, PartitionRef, ProducerIx, RecordId, Sequence};

use self::listen::listen;

type Place = (PartitionRef, i64);

/// What one replica of a partition holds.
#[derive(Default)]
struct Replica {
    pinned: Option<Range<i64>>,
    read: bool,
    holds: BTreeMap<i64, Content>,
}

/// A record that was acknowledged without an offset, and everything that was
/// acknowledged after it with one.
struct Unplaced {
    record: RecordId,
    to: PartitionRef,
    after: Vec<(Place, RecordId)>,
}

/// What a history says of the log, as lists.
#[derive(Default)]
struct Said {
    partitions: BTreeSet<PartitionRef>,
    pinned: BTreeMap<PartitionRef, Range<i64>>,
    /// Each end that was pinned, in order.
    ends: Vec<(PartitionRef, i64)>,
    /// How far a partition was seen to reach.
    reached: BTreeSet<Place>,
    read: BTreeSet<PartitionRef>,
    sent: BTreeSet<RecordId>,
    failed: BTreeSet<RecordId>,
    acknowledged: BTreeSet<(Place, RecordId)>,
    /// Acknowledged without an offset by clients that tell of outcomes alone.
    unplaced: Vec<Unplaced>,
    /// Of which there is any outcome.
    told: BTreeSet<RecordId>,
    stored: BTreeSet<(Place, RecordId)>,
    processed: BTreeSet<(Place, RecordId)>,
    strange: BTreeSet<Place>,
    corrupt: BTreeSet<Place>,
    damaged: BTreeSet<Place>,
    /// The places that consumers were given.
    given: BTreeSet<Place>,
    /// Where anything stands.
    data: BTreeSet<Place>,
    replicas: BTreeMap<PartitionRef, BTreeMap<BrokerId, Replica>>,
    cleanup: Option<Cleanup>,
    keys: BTreeMap<ProducerIx, u64>,
    /// Given out by polls that were taken back.
    glimpsed: BTreeSet<(Place, RecordId)>,
    /// Where a later record of the key may have replaced what stood there.
    replaceable: BTreeSet<Place>,
    /// From which of a producer's records on its order begins anew.
    forgotten: BTreeSet<(PartitionRef, ProducerIx, Sequence)>,
    imported: bool,
    traffic_ended: bool,
}

/// Where no observer read the log, what the readers were given is all there
/// is, up to the highest.
fn believe_the_readers(said: &mut Said, declared: &[PartitionRef]) {
    said.stored.clone_from(&said.processed);
    said.data.clone_from(&said.given);
    said.partitions.extend(declared);
    for partition in &said.partitions {
        let given = said.data.iter().filter(|(of, _)| of == partition);
        let end = given.map(|(_, offset)| offset + 1).max();
        said.pinned.insert(*partition, 0..end.unwrap_or(0));
        said.read.insert(*partition);
    }
}

impl Said {
    fn replica(&mut self, partition: PartitionRef, broker: BrokerId) -> &mut Replica {
        let replicas = self.replicas.entry(partition).or_default();
        replicas.entry(broker).or_default()
    }

    fn compacts(&self) -> bool {
        matches!(
            self.cleanup,
            Some(Cleanup::Compact | Cleanup::CompactAndDelete)
        )
    }

    /// Offsets at which the replicas that were read whole do not hold the same.
    fn diverged(&self, partition: PartitionRef) -> usize {
        let whole: Vec<(&Range<i64>, &BTreeMap<i64, Content>)> = self.replicas[&partition]
            .values()
            .filter(|replica| replica.read)
            .filter_map(|replica| Some((replica.pinned.as_ref()?, &replica.holds)))
            .collect();
        if whole.len() < 2 {
            return 0;
        }
        let first = whole.iter().map(|(range, _)| range.start).max().unwrap();
        let end = whole.iter().map(|(range, _)| range.end).min().unwrap();
        (first..end)
            .filter(|offset| {
                let held: Vec<Option<&Content>> =
                    whole.iter().map(|(_, holds)| holds.get(offset)).collect();
                let some = held.iter().flatten();
                let different = some.clone().any(|one| some.clone().any(|two| one != two));
                let missing = held.contains(&None) && some.count() > 0;
                different || (missing && !self.compacts())
            })
            .count()
    }

    /// Whether retention may have taken what stood here.
    fn expired(&self, (partition, offset): Place) -> bool {
        let start = self.pinned[&partition].start;
        (0..start).contains(&offset) || (offset < 0 && start > 0)
    }

    /// Whether compaction may have.
    fn compacted(&self, place: Place) -> bool {
        self.compacts() && place.1 < self.pinned[&place.0].end && !self.data.contains(&place)
    }

    /// Whether a later record of its key has replaced it, where keys are known.
    fn replaced(&self, place: Place, record: RecordId) -> Option<bool> {
        let keys = self.keys.get(&record.producer)?;
        let key = |of: RecordId| (of.producer, of.sequence.get() % keys);
        let stored = self.stored.iter();
        let mut of_key = stored.filter(|(at, of)| at.0 == place.0 && key(*of) == key(record));
        if place.1 < 0 {
            // It may have stood before any of them.
            return of_key.next().is_none().then_some(false);
        }
        Some(of_key.any(|(at, _)| at.1 > place.1))
    }

    /// Partitions whose end moved back, but for what the lost records prove.
    fn shortened(&self) -> BTreeSet<PartitionRef> {
        let ends = self.ends.iter().enumerate();
        ends.filter(|(at, (partition, end))| {
            let farther = |(of, reached): &Place| of == partition && reached > end;
            self.reached.iter().any(farther) || self.ends[..*at].iter().any(farther)
        })
        .map(|(_, (partition, _))| *partition)
        .collect()
    }
}

/// Where a producer was told of a record that it had sent after it had heard of
/// another, acknowledged highest, and that stands at that offset or below: the
/// last such place of each partition and producer, the other and the later one.
fn written_over(events: &[Event]) -> Vec<(Place, RecordId, RecordId)> {
    let mut sent: BTreeMap<ProducerIx, Sequence> = BTreeMap::new();
    let mut told: BTreeMap<(ProducerIx, PartitionRef), (i64, RecordId, Sequence)> = BTreeMap::new();
    let mut over = BTreeMap::new();
    for event in events {
        match &event.body {
            Body::SendInvoked { record, .. } => {
                let highest = sent.entry(record.producer).or_default();
                *highest = (*highest).max(record.sequence);
            }
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } if offset.get() >= 0 => {
                let by_then = sent.get(&record.producer).copied().unwrap_or_default();
                let of = (record.producer, *at);
                match told.get(&of) {
                    Some((highest, before, heard)) if offset.get() <= *highest => {
                        if *heard < record.sequence && record.sequence <= by_then {
                            over.insert(of, ((*at, offset.get()), *before, *record));
                        }
                    }
                    _ => {
                        told.insert(of, (offset.get(), *record, by_then));
                    }
                }
            }
            _ => {}
        }
    }
    over.into_values().collect()
}

/// What became of an acknowledged record that stands nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    Damaged,
    Expired,
    Compacted,
    Replaced,
    Unseen,
    Lost,
}

impl Said {
    fn of(events: &[Event], declared: &[PartitionRef]) -> Self {
        let mut said = listen(events);
        if said.imported {
            believe_the_readers(&mut said, declared);
        }
        said
    }

    fn is_whole(&self, partition: PartitionRef) -> bool {
        self.read.contains(&partition) && self.pinned.contains_key(&partition)
    }

    fn is_stored(&self, record: &RecordId) -> bool {
        self.stored.iter().any(|(_, it)| it == record)
    }

    /// The offset that the producer of a record without one was told next, of
    /// a record that it sent later to the same partition.
    fn is_below(&self, record: RecordId) -> Option<i64> {
        let mut unplaced = self.unplaced.iter();
        let Unplaced { to, after, .. } = unplaced.find(|it| it.record == record)?;
        let later = |((of, _), other): &&(Place, RecordId)| {
            of == to && other.producer == record.producer && other.sequence > record.sequence
        };
        after.iter().find(later).map(|((_, offset), _)| *offset)
    }

    /// The acknowledged records that stand nowhere, if that can be told.
    fn gone(&self, declared: &[PartitionRef]) -> Vec<(Place, RecordId, Gone)> {
        let mut partitions = self.partitions.iter().chain(declared);
        if !partitions.all(|it| self.is_whole(*it)) {
            return Vec::new();
        }
        let gone = self
            .acknowledged
            .iter()
            .filter(|(_, record)| !self.is_stored(record));
        gone.map(|(place, record)| {
            let why = if self.imported {
                let below = self.is_below(*record);
                let given = place.1;
                let damaged = self.damaged.contains(place);
                let place = (place.0, below.filter(|_| given == -1).unwrap_or(given));
                if damaged {
                    Gone::Damaged
                } else if place.1 >= 0 && self.replaceable.contains(&place) {
                    Gone::Compacted
                } else if self.pinned[&place.0].contains(&place.1) {
                    Gone::Lost
                } else {
                    Gone::Unseen
                }
            } else if self.damaged.contains(place) {
                Gone::Damaged
            } else if self.expired(*place) {
                Gone::Expired
            } else if self.compacted(*place) {
                match self.replaced(*place, *record) {
                    None => Gone::Compacted,
                    Some(true) => Gone::Replaced,
                    Some(false) => Gone::Lost,
                }
            } else {
                Gone::Lost
            };
            (*place, *record, why)
        })
        .collect()
    }
}

/// How much there was that could have contradicted a claim about the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) settled_acks: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) untold: (u64, Option<RecordId>),
    pub(crate) expired: u64,
    pub(crate) compacted: u64,
    pub(crate) replaced: u64,
    pub(crate) damaged: u64,
    pub(crate) is_ordered_anywhere: bool,
    pub(crate) truncation: TruncationCoverage,
    pub(crate) replicas: ReplicaCoverage,
}

pub(crate) fn cover(events: &[Event], declared: &[PartitionRef]) -> Covered {
    let said = Said::of(events, declared);
    let gone = said.gone(declared);
    let of = |wanted: Gone| gone.iter().filter(|(.., it)| *it == wanted).count() as u64;
    let stored = said.acknowledged.iter();
    let stored = stored.filter(|(_, record)| said.is_stored(record)).count() as u64;
    let acknowledged: BTreeSet<RecordId> = said.acknowledged.iter().map(|(_, it)| *it).collect();
    let unacknowledged: Vec<&RecordId> = said.sent.difference(&acknowledged).collect();
    let mut untold = unacknowledged.iter().filter(|it| !said.told.contains(**it));
    let untold_first = untold.clone().next().map(|it| **it);
    Covered {
        settled_acks: stored + of(Gone::Lost) + of(Gone::Replaced),
        unacknowledged: unacknowledged.len() as u64,
        untold: (untold.by_ref().count() as u64, untold_first),
        expired: of(Gone::Expired),
        compacted: of(Gone::Compacted),
        replaced: of(Gone::Replaced),
        damaged: of(Gone::Damaged),
        is_ordered_anywhere: !said.disordered().is_empty()
            || said.stored.iter().any(|(place, record)| {
                said.stored.iter().any(|(before, other)| {
                    before.0 == place.0
                        && before.1 <= place.1
                        && other.producer == record.producer
                        && other != record
                })
            }),
        truncation: said.compared_ends(),
        replicas: said.compared_replicas(),
    }
}

impl Said {
    fn compared_ends(&self) -> TruncationCoverage {
        if self.imported {
            return TruncationCoverage::default();
        }
        let pinned: BTreeSet<PartitionRef> = self.ends.iter().map(|(of, _)| *of).collect();
        let compared = pinned.iter().filter(|partition| {
            let reached = self.reached.iter().any(|(of, _)| of == *partition);
            let ends = self.ends.iter().filter(|(of, _)| of == *partition);
            let mut acknowledged = self.acknowledged.iter();
            let told = acknowledged.any(|((of, at), _)| of == *partition && *at != -1);
            reached || ends.count() > 1 || told
        });
        TruncationCoverage {
            pinned: pinned.len() as u64,
            compared: compared.count() as u64,
        }
    }

    fn compared_replicas(&self) -> ReplicaCoverage {
        let mut covered = ReplicaCoverage::default();
        for (partition, replicas) in &self.replicas {
            let name = format!("t-{}", partition.partition);
            let is_whole = |replica: &&Replica| replica.read && replica.pinned.is_some();
            for (broker, replica) in replicas {
                if !is_whole(&replica) {
                    covered.unread.push(format!("{name} on broker {broker}"));
                }
            }
            let whole: Vec<&Replica> = replicas.values().filter(is_whole).collect();
            if whole.len() < 2 {
                covered.alone.push(name);
                continue;
            }
            covered.partitions += 1;
            covered.replicas += whole.len() as u64;
            let ranges = || whole.iter().filter_map(|it| it.pinned.clone());
            let first = ranges().map(|it| it.start).max().unwrap();
            let end = ranges().map(|it| it.end).min().unwrap();
            let held = (first..end).filter(|at| {
                let one = whole[0].holds.get(at);
                one.is_some() && whole.iter().all(|it| it.holds.get(at) == one)
            });
            covered.compared += held.count() as u64;
        }
        covered
    }
}

impl Said {
    /// Where records are said to be: where they stand, and in what another tool
    /// recorded also where a poll that was taken back gave them out, and where
    /// they were acknowledged.
    fn places(&self) -> BTreeSet<(Place, RecordId)> {
        let mut places = self.stored.clone();
        if self.imported {
            places.extend(&self.glimpsed);
            let acknowledged = self.acknowledged.iter();
            places.extend(acknowledged.filter(|(place, _)| place.1 >= 0));
        }
        places
    }

    /// First copies that are behind a record which their producer sent later.
    fn disordered(&self) -> Vec<RecordId> {
        let places = self.places();
        let first = |(place, record): &&(Place, RecordId)| {
            !places.iter().any(|(earlier, same)| {
                same == record && earlier.0 == place.0 && earlier.1 < place.1
            })
        };
        let first: Vec<(Place, RecordId)> = places.iter().filter(first).copied().collect();
        let era = |of: PartitionRef, record: &RecordId| {
            let forgotten = self.forgotten.iter();
            forgotten
                .filter(|(at, by, next)| {
                    *at == of && *by == record.producer && *next <= record.sequence
                })
                .count()
        };
        let disordered = first.iter().filter(|(place, record)| {
            first.iter().any(|(before, other)| {
                before.0 == place.0
                    && (before.1, other) < (place.1, record)
                    && other.producer == record.producer
                    && other.sequence > record.sequence
                    && era(place.0, other) == era(place.0, record)
            })
        });
        disordered.map(|(_, record)| *record).collect()
    }

    /// Records that share their place with another, but for the one that has it
    /// by the best word.
    fn sharing(&self) -> BTreeSet<RecordId> {
        let places = self.places();
        let offsets: BTreeSet<Place> = places.iter().map(|(place, _)| *place).collect();
        let mut sharing = BTreeSet::new();
        for place in offsets {
            let by_word = [&self.stored, &self.glimpsed, &self.acknowledged];
            let here = by_word.into_iter().flatten().filter(|(at, _)| *at == place);
            let here: Vec<RecordId> = here.map(|(_, record)| *record).collect();
            sharing.extend(here.iter().filter(|record| **record != here[0]));
        }
        sharing
    }
}

/// Exactly the instances of the anomalies of the log.
pub(crate) fn count(events: &[Event], declared: &[PartitionRef]) -> BTreeMap<Anomaly, u64> {
    let said = Said::of(events, declared);
    let observed = !said.imported;
    let whole = |partition: &PartitionRef| said.is_whole(*partition);
    let stored_somewhere = |record: &RecordId| said.is_stored(record);
    let stands = |place: Place, record: RecordId| said.stored.contains(&(place, record));
    let cleaned = |place: Place| {
        said.pinned.contains_key(&place.0) && (said.expired(place) || said.compacted(place))
    };
    let mut counts = BTreeMap::new();
    let diverged = said.replicas.keys().map(|of| said.diverged(*of));
    counts.insert(Anomaly::ReplicaDivergence, diverged.sum::<usize>() as u64);

    let gone = said.gone(declared);
    let of = |wanted: Gone| gone.iter().filter(move |(.., it)| *it == wanted);
    counts.insert(Anomaly::LostWrite, of(Gone::Lost).count() as u64);
    counts.insert(Anomaly::Unseen, of(Gone::Unseen).count() as u64);
    if observed {
        let mut shortened = said.shortened();
        let behind = of(Gone::Lost)
            .filter(|((partition, offset), ..)| *offset >= said.pinned[partition].end);
        shortened.extend(behind.map(|((partition, _), ..)| *partition));
        let grown = written_over(events).into_iter();
        let grown = grown.filter(|(place, before, after)| {
            whole(&place.0) && stands(*place, *after) && !stored_somewhere(before)
        });
        shortened.extend(grown.map(|(place, _, _)| place.0));
        counts.insert(Anomaly::LogTruncation, shortened.len() as u64);
    }

    let places = said.places();
    let records: BTreeSet<RecordId> = places.iter().map(|(_, record)| *record).collect();
    counts.insert(Anomaly::Duplicate, (places.len() - records.len()) as u64);
    let disordered = said.disordered().len() as u64;
    counts.insert(Anomaly::NonmonotonicSend, disordered);

    let mut contradicted: BTreeSet<RecordId> = BTreeSet::new();
    for (place, record) in said.acknowledged.iter().filter(|(place, _)| place.1 >= 0) {
        let sharing: Vec<RecordId> = said
            .acknowledged
            .iter()
            .filter(|(other, _)| other == place)
            .map(|(_, record)| *record)
            .collect();
        let elsewhere = |record: &RecordId| {
            whole(&place.0)
                && stored_somewhere(record)
                && !stands(*place, *record)
                && !cleaned(*place)
        };
        let absent = said.imported && !stands(*place, *record);
        let spared = sharing.iter().all(|record| !stands(*place, *record))
            && sharing.iter().find(|record| !elsewhere(record)) == Some(record);
        if elsewhere(record) || (sharing.len() > 1 && absent && !spared) {
            contradicted.insert(*record);
        }
    }
    for (place, record) in &said.stored {
        if said
            .stored
            .iter()
            .any(|(at, other)| at == place && other < record)
        {
            contradicted.insert(*record);
        }
    }
    let misread = |(place, record): &(Place, RecordId)| {
        let occupied = said.stored.iter().any(|(at, _)| at == place);
        occupied && !stands(*place, *record)
    };
    // Where another record stands than one that is gone, the log was cut.
    let gone_from = |partition: PartitionRef| {
        let lost = said.gone(declared).into_iter();
        let lost = lost.filter(|(at, _, why)| *why == Gone::Lost && said.data.contains(at));
        let lost = lost.map(|(at, ..)| at);
        let read = said.processed.iter();
        let read = read.filter(|it| misread(it) && !stored_somewhere(&it.1));
        let read = read.map(|(at, _)| *at);
        lost.chain(read)
            .filter(|at| at.0 == partition)
            .map(|at| at.1)
            .min()
    };
    for (place, record) in said.processed.iter().filter(|it| misread(it)) {
        let cut = gone_from(place.0).is_some_and(|from| from <= place.1);
        if stored_somewhere(record) && !cut {
            contradicted.insert(*record);
        }
    }
    if said.imported {
        contradicted = said.sharing();
    }
    counts.insert(Anomaly::InconsistentOffsets, contradicted.len() as u64);

    let mut phantoms = said.strange.clone();
    if said.traffic_ended || said.imported {
        let seen = said.stored.iter().chain(&said.processed);
        let seen = seen.chain(&said.glimpsed);
        phantoms.extend(
            seen.filter(|(_, record)| !said.sent.contains(record))
                .map(|(place, _)| *place),
        );
    }
    counts.insert(Anomaly::Phantom, phantoms.len() as u64);
    counts.insert(Anomaly::Corrupt, said.corrupt.len() as u64);

    let visible = said.failed.iter().filter(|record| {
        stored_somewhere(record) && !said.acknowledged.iter().any(|(_, it)| it == *record)
    });
    counts.insert(Anomaly::FailedWriteVisible, visible.count() as u64);
    counts.retain(|_, count| *count > 0);
    counts
}
