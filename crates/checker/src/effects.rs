//! What an application of the user's did of the records of the topic that it reads. Knows
//! nothing of how it did it.
//!
//! - *effect-lost*: a record stands in the topic, the application's group committed past it,
//!   and there is no effect of it though nothing more can come. The commits were read before
//!   the effects.
//! - *effect-duplicate*: each effect of a record beyond the first.
//! - *effect-phantom*: an effect of a record that was never sent; in the output topic, which
//!   the run made for the application alone, also one whose identity is another's or damaged.
//! - *effect-order*: of the first effects of the records of one key, in the order of the
//!   output partition, each that stands behind one of a later record; only where the log
//!   itself has the records in order.
//!
//! An effect without an identity may be that of any record: where there is one, nothing is
//! called lost.
//!
//! A history in which every record has its effect is read once; otherwise a second reading
//! learns which of the others were committed past. Held: four bits for each record of the
//! topic, and a number for each key.

use std::collections::{BTreeMap, HashMap};

use model::anomaly::Anomaly;
use model::event::{AppDeclared, Body, Content, EffectPlace, EffectSeen, EffectsRead, Event};
use model::ids::{Offset, PartitionRef, ProducerIx, RecordId, Sequence};
use model::plan::key_turn;

use crate::analyzer::{Analyzer, Need, SENDS, STORED};
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::sets::record_set::RecordSet;

/// Follows what an application did.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    app: Option<AppDeclared>,
    sent: RecordSet,
    /// Records that stand in its topic, and those that stand there twice.
    stored: RecordSet,
    stored_again: RecordSet,
    /// Records that have an effect, and those that have two.
    done: RecordSet,
    done_again: RecordSet,
    /// First effects behind one of a later record of their key.
    out_of_order: RecordSet,
    committed: BTreeMap<PartitionRef, Offset>,
    keys: BTreeMap<ProducerIx, u64>,
    /// The last first effect of each key, and where it stands.
    last_of_key: HashMap<(ProducerIx, Sequence), (Sequence, PartitionRef)>,
    /// The last record of each producer in each partition of the topic.
    last_stored: BTreeMap<(PartitionRef, ProducerIx), Sequence>,
    /// Records that were passed over.
    lost: RecordSet,
    stage: Stage,
    of: EffectCoverage,
}

/// The purpose of the current pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// What was done.
    #[default]
    Effects,
    /// What of the rest was committed past.
    Rest,
    /// Nothing any more.
    Over,
}

/// What was read of an application's effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectCoverage {
    /// Its `group.id`, where there is an application.
    pub group: Option<String>,
    /// Whether its effects are records of a topic.
    pub is_topic: bool,
    /// Records that stand in the topic that it reads.
    pub stored: u64,
    /// Effects.
    pub effects: u64,
    /// Records that have one.
    pub done: u64,
    /// Records that have two or more, and stand in the log twice themselves.
    pub done_as_stored: u64,
    /// Records without one that its group has not committed past.
    pub pending: u64,
    /// Effects that carry no identity of this run.
    pub unrecognised: u64,
    /// Effects behind another one of their key.
    pub ordered_pairs: u64,
    /// Keys whose effects stand in more than one partition.
    pub split_keys: u64,
    /// Records that stand in the log behind a later one of their producer.
    pub disordered: u64,
    /// How far it was read.
    pub read: Option<EffectsRead>,
    /// Why it could not be read.
    pub unread: Option<String>,
}

impl Analyzer for Effects {
    type Uses<'d> = ();
    type Coverage = EffectCoverage;

    const FREQUENT: u8 = SENDS | STORED;

    #[inline]
    fn observe(&mut self, event: &Event, context: &Context, collector: &mut FindingCollector) {
        if let Body::AppDeclared(app) = &event.body {
            self.of.group = Some(app.group.clone());
            self.of.is_topic = app.output.is_some();
            self.app = Some(app.clone());
        }
        if let Body::KeysDeclared { producer, keys } = &event.body {
            self.keys.insert(*producer, *keys);
        }
        let Some(app) = &self.app else {
            return;
        };
        match &event.body {
            Body::SendInvoked { record, to } if to.topic == app.topic => {
                self.sent.insert(*record);
            }
            Body::Stored {
                partition,
                content: Content::Ours(record),
                ..
            } if partition.topic == app.topic => self.stored(*partition, *record),
            Body::AppCommitted(committed) => {
                if let Some(next) = committed.next {
                    self.committed.insert(committed.partition, next);
                }
            }
            Body::EffectSeen(seen) => self.effect(*seen, context, collector),
            Body::EffectsRead(read) => self.of.read = Some(*read),
            Body::EffectsUnread { reason } => self.of.unread = Some(reason.clone()),
            _ => {}
        }
    }

    fn observe_again(
        &mut self,
        event: &Event,
        context: &Context,
        (): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) {
        let (
            Some(app),
            Body::Stored {
                partition,
                offset,
                content: Content::Ours(record),
            },
        ) = (&self.app, &event.body)
        else {
            return;
        };
        if self.stage != Stage::Rest || partition.topic != app.topic || self.done.contains(*record)
        {
            return;
        }
        let passed = self.committed.get(partition).copied().unwrap_or_default() > *offset;
        if !passed {
            self.of.pending += 1;
            return;
        }
        // One that stands twice lacks one effect.
        if self.is_whole() && self.lost.insert(*record) {
            collector.add_record(Anomaly::EffectLost, *record, || {
                let place = context.names.partition(*partition);
                let what = format!(
                    "{record} stands at {place}@{offset}, {} committed past it, and did nothing \
                     of it",
                    app.group
                );
                let watch = vec![
                    Watch::Record(*record),
                    Watch::Position(*partition, *offset),
                    Watch::AppCommit(*partition),
                ];
                (what, watch)
            });
        }
    }

    fn end_pass(
        &mut self,
        _context: &Context,
        (): Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Need {
        let lacks = || self.stored.without(&self.done).next().is_some();
        self.stage = match self.stage {
            Stage::Effects if self.app.is_some() && lacks() => Stage::Rest,
            _ => Stage::Over,
        };
        match self.stage {
            Stage::Rest => Need::AnotherPass,
            Stage::Effects | Stage::Over => Need::Nothing,
        }
    }

    fn settle(
        &mut self,
        _context: &Context,
        (): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        for record in self.done.without(&self.sent) {
            collector.add_record(Anomaly::EffectPhantom, record, || {
                let what = format!("there is an effect of {record}, which was never sent");
                (what, vec![Watch::Record(record)])
            });
        }
        if self.of.disordered == 0 {
            for record in self.out_of_order.iter() {
                collector.add_record(Anomaly::EffectOrder, record, || {
                    let what = format!(
                        "the effect of {record} stands behind that of a later record of its key"
                    );
                    (what, vec![Watch::Record(record)])
                });
            }
        }
        let again = self.done_again.iter();
        let as_stored = again.filter(|record| self.stored_again.contains(*record));
        self.of.done_as_stored = as_stored.count() as u64;
        self.of.stored = self.stored.len();
        self.of.done = self.done.len();
        std::mem::take(&mut self.of)
    }
}

impl Effects {
    fn stored(&mut self, partition: PartitionRef, record: RecordId) {
        if !self.stored.insert(record) {
            self.stored_again.insert(record);
            return;
        }
        let last = self.last_stored.entry((partition, record.producer));
        let last = last.or_insert(record.sequence);
        if record.sequence < *last {
            self.of.disordered += 1;
        }
        *last = record.sequence.max(*last);
    }

    fn effect(&mut self, seen: EffectSeen, context: &Context, collector: &mut FindingCollector) {
        self.of.effects += 1;
        let Content::Ours(record) = seen.content else {
            self.without_identity(seen, context, collector);
            return;
        };
        if self.done.insert(record) {
            if let Some(place) = seen.at {
                self.in_turn(record, place);
            }
            return;
        }
        self.done_again.insert(record);
        collector.add_record(Anomaly::EffectDuplicate, record, || {
            let at = seen.at.map_or_else(
                || "is listed".to_owned(),
                |at| format!("stands at {}", place(at, context)),
            );
            let what = format!("another effect of {record} {at}");
            (what, vec![Watch::Record(record)])
        });
    }

    fn without_identity(
        &mut self,
        seen: EffectSeen,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        self.of.unrecognised += 1;
        // What is listed may be another's; a record without an identity in its place says
        // nothing of where it comes from.
        let (Some(at), false) = (seen.at, seen.content == Content::Nameless) else {
            return;
        };
        let (partition, offset) = (at.partition, at.offset);
        let scope = Scope::Partition(partition);
        collector.add(Anomaly::EffectPhantom, scope, offset.get(), || {
            let what = match seen.content {
                Content::Corrupt => "is damaged",
                _ => "is not of this run",
            };
            let what = format!(
                "the identity of the effect at {} {what}",
                place(at, context)
            );
            (what, vec![Watch::Position(partition, offset)])
        });
    }

    /// Compares a first effect with the last of its key.
    fn in_turn(&mut self, record: RecordId, at: EffectPlace) {
        let Some(keys) = self.keys.get(&record.producer) else {
            return;
        };
        let key = (record.producer, key_turn(record.sequence, Some(*keys)));
        let Some((last, partition)) = self.last_of_key.get_mut(&key) else {
            let first = (record.sequence, at.partition);
            self.last_of_key.insert(key, first);
            return;
        };
        if *partition != at.partition {
            self.of.split_keys += 1;
            return;
        }
        self.of.ordered_pairs += 1;
        if record.sequence < *last {
            self.out_of_order.insert(record);
        }
        *last = record.sequence.max(*last);
    }

    /// Whether what is missing is missing: nothing more can come, and no effect may be that of
    /// another record than is known.
    fn is_whole(&self) -> bool {
        self.of.unrecognised == 0 && self.of.read.is_some_and(|read| read.settled)
    }
}

fn place(at: EffectPlace, context: &Context) -> String {
    format!("{}@{}", context.names.partition(at.partition), at.offset)
}
