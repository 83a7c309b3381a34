//! replica-divergence: what the replicas of a partition hold, offset by
//! offset. Knows nothing of what should stand there.
//!
//! Compared are the replicas that were read completely, in the range that all
//! of them hold: from the highest log start to the lowest end. Each offset at
//! which not all of them hold the same counts once. In a compacted topic the
//! replicas are cleaned at different times, so there an offset that only some
//! of them hold is no difference.
//!
//! Held: ten bits for each record of each replica. Two records are told apart
//! by eight bits, which the sequences of neighbours always differ in; should
//! they agree by chance, the sum over 64 offsets still differs, and then one
//! instance is counted for these.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event};
use model::ids::{BrokerId, Offset, PartitionRef};

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};

/// Offsets in a block.
const BLOCK: i64 = 64;
const SLOTS: usize = 64;

/// What one replica holds at 64 offsets.
#[derive(Clone, Debug)]
struct Block {
    /// The offsets at which anything stands, a bit for each.
    present: u64,
    /// A fingerprint of each record.
    prints: [u8; SLOTS],
    /// What stands there, in full, summed up.
    sum: u64,
}

#[derive(Clone, Debug, Default)]
struct Replica {
    pinned: Option<(i64, i64)>,
    read: bool,
    blocks: BTreeMap<i64, Box<Block>>,
}

/// What the replicas of a history's partitions hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replicas {
    partitions: BTreeMap<PartitionRef, BTreeMap<BrokerId, Replica>>,
}

/// How much could be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCoverage {
    /// Partitions of which two replicas or more were read completely.
    pub partitions: u64,
    /// Of their replicas, the ones that were read.
    pub replicas: u64,
    /// Offsets at which the same stands in all of them.
    pub compared: u64,
    /// Replicas that were pinned and not read to the end; by name.
    pub unread: Vec<String>,
    /// Partitions of which only one replica was read; by name.
    pub alone: Vec<String>,
}

impl Analyzer for Replicas {
    type Uses<'d> = ();
    type Coverage = ReplicaCoverage;

    fn observe(&mut self, event: &Event, _context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::ReplicaPinned {
                partition,
                broker,
                log_start,
                end,
            } => {
                self.of(*partition, *broker).pinned = Some((log_start.get(), end.get()));
            }
            Body::ReplicaStored {
                partition,
                broker,
                offset,
                content,
            } => self.of(*partition, *broker).hold(offset.get(), content),
            Body::ReplicaRead { partition, broker } => self.of(*partition, *broker).read = true,
            _ => {}
        }
    }

    /// Finds where replicas differ.
    fn settle(
        &mut self,
        context: &Context,
        (): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        let mut coverage = ReplicaCoverage::default();
        for (partition, replicas) in &self.partitions {
            let name = context.names.partition(*partition);
            let mut whole: Vec<(BrokerId, (i64, i64), &Replica)> = Vec::new();
            for (broker, replica) in replicas {
                match replica.pinned.filter(|_| replica.read) {
                    Some(pinned) => whole.push((*broker, pinned, replica)),
                    None => coverage.unread.push(format!("{name} on broker {broker}")),
                }
            }
            if whole.len() < 2 {
                coverage.alone.push(name);
                continue;
            }
            coverage.partitions += 1;
            coverage.replicas += whole.len() as u64;
            let first = whole.iter().map(|(_, pinned, _)| pinned.0).max();
            let end = whole.iter().map(|(_, pinned, _)| pinned.1).min();
            let common = first.unwrap_or(0)..end.unwrap_or(0);
            let holders: Vec<&Replica> = whole.iter().map(|(.., replica)| *replica).collect();
            let (differing, agreeing) =
                compare(&holders, common, context.names.compacts(partition.topic));
            coverage.compared += agreeing;
            for offset in differing {
                collector.add(
                    Anomaly::ReplicaDivergence,
                    Scope::Partition(*partition),
                    offset,
                    || {
                        let brokers: Vec<String> = whole
                            .iter()
                            .map(|(broker, ..)| broker.to_string())
                            .collect();
                        let what = format!(
                            "{name}@{offset}: the replicas on brokers {} differ",
                            brokers.join(", ")
                        );
                        (what, vec![Watch::Position(*partition, Offset::new(offset))])
                    },
                );
            }
        }
        coverage
    }
}

impl Replicas {
    fn of(&mut self, partition: PartitionRef, broker: BrokerId) -> &mut Replica {
        let replicas = self.partitions.entry(partition).or_default();
        replicas.entry(broker).or_default()
    }
}

impl Replica {
    fn hold(&mut self, offset: i64, content: &Content) {
        let block = self
            .blocks
            .entry(offset.div_euclid(BLOCK))
            .or_insert_with(|| {
                Box::new(Block {
                    present: 0,
                    prints: [0; SLOTS],
                    sum: 0,
                })
            });
        let at = slot(offset);
        let (print, full) = describe(content);
        block.present |= 1 << at;
        block.prints[at] = print;
        block.sum = block
            .sum
            .wrapping_add(mix(full.wrapping_add(mix(at as u64))));
    }
}

fn slot(offset: i64) -> usize {
    usize::try_from(offset.rem_euclid(BLOCK)).unwrap_or(0)
}

/// A content in short and in full.
fn describe(content: &Content) -> (u8, u64) {
    let (kind, record) = match content {
        Content::Ours(record) => (0u64, *record),
        Content::Misplaced(record) => (1, *record),
        Content::Corrupt => (2, model::ids::RecordId::default()),
        Content::Foreign => (3, model::ids::RecordId::default()),
        Content::Change(change) => (4, model::ids::RecordId::of_change(*change)),
        Content::Nameless => (5, model::ids::RecordId::default()),
    };
    let (producer, sequence) = (u64::from(record.producer.get()), record.sequence.get());
    let short = sequence
        .wrapping_add(producer.wrapping_mul(0x9d))
        .wrapping_add(kind.wrapping_mul(0x55));
    let full = mix(sequence.wrapping_add(mix(producer.wrapping_mul(8).wrapping_add(kind))));
    (short.to_le_bytes()[0], full)
}

/// Spreads a number over all bits (the finaliser of `SplitMix64`).
const fn mix(of: u64) -> u64 {
    let of = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let of = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let of = (of ^ (of >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    of ^ (of >> 31)
}

/// The offsets of a range at which the replicas differ, and how many there are
/// at which all hold the same record.
fn compare(
    replicas: &[&Replica],
    common: std::ops::Range<i64>,
    compacted: bool,
) -> (Vec<i64>, u64) {
    let mut differing = Vec::new();
    let mut agreeing = 0;
    let mut numbers: Vec<i64> = replicas
        .iter()
        .flat_map(|replica| replica.blocks.keys().copied())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let held: Vec<Option<&Block>> = replicas
            .iter()
            .map(|replica| replica.blocks.get(&number).map(Box::as_ref))
            .collect();
        let first = number.saturating_mul(BLOCK);
        let (mut found, mut absent_somewhere) = (0, false);
        for at in 0..BLOCK {
            let offset = first.saturating_add(at);
            if !common.contains(&offset) {
                absent_somewhere |= held
                    .iter()
                    .flatten()
                    .any(|block| block.present & 1 << at != 0);
                continue;
            }
            let copies: Vec<Option<u8>> = held
                .iter()
                .map(|block| {
                    block
                        .filter(|block| block.present & 1 << at != 0)
                        .map(|block| block.prints[slot(at)])
                })
                .collect();
            let present = copies.iter().flatten().count();
            absent_somewhere |= present > 0 && present < copies.len();
            let mut prints = copies.iter().flatten();
            let one = prints.next();
            let differs = !prints.all(|print| Some(print) == one)
                || (!compacted && present > 0 && present < copies.len());
            if differs {
                found += 1;
                differing.push(offset);
            } else if present == copies.len() {
                agreeing += 1;
            }
        }
        let mut sums = held.iter().flatten().map(|block| block.sum);
        let sum = sums.next();
        if found == 0 && !absent_somewhere && !sums.all(|other| Some(other) == sum) {
            differing.push(first.max(common.start));
        }
    }
    (differing, agreeing)
}
