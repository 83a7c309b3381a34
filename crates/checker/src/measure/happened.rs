//! What happened that a scenario may be about, by what the history shows of
//! it. Knows nothing of what had to happen.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{BatchKind, Body, Event};
use model::ids::{BrokerId, GroupIx, MemberIx, Micros, Offset, PartitionRef, TopicIx};
use model::scenario::{Occurrence, OccurrenceKind};
use model::verdict::PartFailure;

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::FindingCollector;

/// Follows what happens while a history is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    to: BTreeMap<OccurrenceKind, BTreeSet<TopicIx>>,
    holders: BTreeMap<(GroupIx, PartitionRef), MemberIx>,
    leaders: BTreeMap<PartitionRef, BrokerId>,
    in_sync: BTreeMap<PartitionRef, usize>,
    retried: bool,
    deleted: Vec<(Micros, TopicIx, bool)>,
}

/// What happened, by what it happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// The topics, by name.
    to: BTreeMap<OccurrenceKind, BTreeSet<String>>,
    /// Topics that were deleted, and not by ackproof.
    pub deleted: Vec<PartFailure>,
}

impl Occurrences {
    /// Whether it happened.
    pub fn has(&self, wanted: &Occurrence) -> bool {
        self.to.get(&wanted.kind).is_some_and(|topics| {
            let named = wanted.topic.as_ref();
            named.is_none_or(|topic| topics.contains(topic))
        })
    }
}

impl Analyzer for Happened {
    type Uses<'d> = ();
    type Coverage = Occurrences;

    /// Takes in the next event; those of records in the log say nothing here.
    fn observe(&mut self, event: &Event, context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::TopicDeleted { topic, recreated } => {
                self.deleted.push((event.at, *topic, *recreated));
            }
            Body::Pinned {
                partition,
                log_start,
                ..
            } if *log_start > Offset::new(0) => {
                self.happens(OccurrenceKind::Deletion, partition.topic);
            }
            Body::StoredBatch {
                partition, kind, ..
            } => match kind {
                BatchKind::CommitMarker => {
                    self.happens(OccurrenceKind::Transaction, partition.topic);
                }
                BatchKind::AbortMarker => {
                    self.happens(OccurrenceKind::Transaction, partition.topic);
                    self.happens(OccurrenceKind::Abort, partition.topic);
                }
                BatchKind::Plain | BatchKind::Transactional | BatchKind::Control => {}
            },
            Body::Assigned { member, partitions } => {
                let Some(group) = context.names.group_of(*member) else {
                    return;
                };
                for partition in partitions {
                    let before = self.holders.insert((group, *partition), *member);
                    if before.is_some_and(|before| before != *member) {
                        self.happens(OccurrenceKind::Rebalance, partition.topic);
                    }
                }
            }
            Body::PartitionState {
                partition,
                leader,
                in_sync,
                ..
            } => {
                if let Some(leader) = leader {
                    let before = self.leaders.insert(*partition, *leader);
                    if before.is_some_and(|before| before != *leader) {
                        self.happens(OccurrenceKind::LeaderChange, partition.topic);
                    }
                }
                let before = self.in_sync.insert(*partition, in_sync.len());
                if before.is_some_and(|before| in_sync.len() < before) {
                    self.happens(OccurrenceKind::IsrShrink, partition.topic);
                }
            }
            Body::ProducerCounted { retries, .. } => self.retried |= *retries > 0,
            _ => {}
        }
    }

    /// All that happened.
    fn settle(
        &mut self,
        context: &Context,
        (): Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Self::Coverage {
        let Context {
            names, cleaning, ..
        } = context;
        for topic in cleaning.cleaned() {
            self.happens(OccurrenceKind::Compaction, *topic);
        }
        let by_name = |topics: BTreeSet<TopicIx>| -> BTreeSet<String> {
            let topics = topics.iter();
            topics.map(|topic| names.topic(*topic)).collect()
        };
        let to = std::mem::take(&mut self.to).into_iter();
        let mut to: BTreeMap<_, _> = to.map(|(what, topics)| (what, by_name(topics))).collect();
        if self.retried {
            to.entry(OccurrenceKind::Retry).or_default();
        }
        let deleted = std::mem::take(&mut self.deleted).into_iter();
        let deleted = deleted.map(|(at, topic, recreated)| {
            let (state, trace) = if recreated {
                (
                    "RECREATED",
                    "it was deleted during the run, not by ackproof, and there is another topic \
                     of that name now: what it held before is gone",
                )
            } else {
                (
                    "DELETED",
                    "it was deleted during the run, not by ackproof: its records are gone",
                )
            };
            PartFailure {
                at_ms: at.as_millis(),
                part: format!("topic {}", names.topic(topic)),
                state: state.to_owned(),
                trace: vec![trace.to_owned()],
            }
        });
        Occurrences {
            to,
            deleted: deleted.collect(),
        }
    }
}

impl Happened {
    fn happens(&mut self, what: OccurrenceKind, to: TopicIx) {
        self.to.entry(what).or_default().insert(to);
    }
}
