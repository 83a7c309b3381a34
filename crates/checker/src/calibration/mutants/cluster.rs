//! Mutants of what brokers and members answer for: ends, replicas,
//! assignments. Knows nothing of transactions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event};
use model::ids::{BrokerId, Offset, PartitionRef};

use super::{Edit, Mutation, Placed, Planner};
use crate::passes::checker::Analysis;

/// Where the events stand that these mutants need.
pub(super) struct Places {
    /// By name: partitions whose replicas differ already.
    diverged: BTreeSet<String>,
    pinned: BTreeMap<PartitionRef, Placed>,
    ranges: BTreeMap<(PartitionRef, BrokerId), (Offset, Offset)>,
    read: BTreeSet<(PartitionRef, BrokerId)>,
    replicas: BTreeMap<(PartitionRef, Offset), Vec<Placed>>,
}

impl Places {
    pub(super) fn new(analysis: &Analysis) -> Self {
        let findings = analysis.findings.iter();
        let diverged = findings
            .filter(|finding| finding.anomaly == Anomaly::ReplicaDivergence)
            .flat_map(|finding| finding.named.iter().map(|range| range.of.clone()))
            .collect();
        Self {
            diverged,
            pinned: BTreeMap::new(),
            ranges: BTreeMap::new(),
            read: BTreeSet::new(),
            replicas: BTreeMap::new(),
        }
    }

    pub(super) fn observe(
        &mut self,
        placed: &impl Fn() -> Placed,
        event: &Event,
        victims: &HashMap<(PartitionRef, Offset), usize>,
    ) {
        match &event.body {
            Body::Pinned { partition, .. } => {
                self.pinned.insert(*partition, placed());
            }
            Body::ReplicaPinned {
                partition,
                broker,
                log_start,
                end,
            } => {
                self.ranges
                    .insert((*partition, *broker), (*log_start, *end));
            }
            Body::ReplicaStored {
                partition, offset, ..
            } if victims.contains_key(&(*partition, *offset)) => {
                let replicas = self.replicas.entry((*partition, *offset)).or_default();
                replicas.push(placed());
            }
            Body::ReplicaRead { partition, broker } => {
                self.read.insert((*partition, *broker));
            }
            _ => {}
        }
    }

    /// Whether all replicas of a partition, and these are several, were read
    /// completely over a range that holds an offset.
    fn all_hold(&self, partition: PartitionRef, offset: Offset) -> bool {
        let mut ranges = self.ranges.iter().filter(|((of, _), _)| *of == partition);
        ranges.clone().count() > 1
            && ranges.all(|(of, (first, end))| {
                self.read.contains(of) && (*first..*end).contains(&offset)
            })
    }
}

impl Planner<'_> {
    pub(super) fn log_truncation(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let (partition, placed) = survey.cluster.pinned.iter().next()?;
        let Body::Pinned { end, .. } = placed.event.body else {
            return None;
        };
        let seen = Event {
            at: placed.event.at,
            body: Body::TailSeen {
                partition: *partition,
                end: Offset::new(end.get().checked_add(1)?),
            },
        };
        Some(Mutation {
            anomaly: Anomaly::LogTruncation,
            what: format!(
                "{} seen to reach one record farther before it was pinned",
                survey.names.partition(*partition)
            ),
            effects: vec![(Anomaly::LogTruncation, 1)],
            edits: vec![(placed.at, Edit::Before(vec![seen]))],
        })
    }

    pub(super) fn replica_divergence(&mut self) -> Option<Mutation> {
        let cluster = &self.survey.cluster;
        let ((partition, offset), placed) =
            cluster.replicas.iter().find(|((partition, offset), _)| {
                let name = self.survey.names.partition(*partition);
                !cluster.diverged.contains(&name) && cluster.all_hold(*partition, *offset)
            })?;
        let placed = placed.first()?;
        let Body::ReplicaStored { broker, .. } = placed.event.body else {
            return None;
        };
        let altered = Body::ReplicaStored {
            partition: *partition,
            broker,
            offset: *offset,
            content: Content::Foreign,
        };
        Some(Mutation {
            anomaly: Anomaly::ReplicaDivergence,
            what: format!(
                "{}@{offset} replaced by a foreign record on broker {broker}",
                self.survey.names.partition(*partition)
            ),
            effects: vec![(Anomaly::ReplicaDivergence, 1)],
            edits: vec![(placed.at, Edit::Replace(altered))],
        })
    }

    /// A member of its own is given the partition, has it taken away, and goes
    /// on all the same.
    pub(super) fn zombie_processing(&mut self) -> Option<Mutation> {
        // Who has a partition says whether a late group was still coming to it.
        let late = &self.survey.excusable.late;
        let (trace, reading) = self.only_reading(|_, reading| !late.contains(&reading.group))?;
        let Body::Processed {
            from,
            offset,
            content,
            ..
        } = reading.placed.event.body
        else {
            return None;
        };
        let member = self.survey.names.unused_member();
        let group = reading.group;
        let life = [
            Body::MemberStarted { member, group },
            Body::Assigned {
                member,
                partitions: vec![from],
            },
            Body::Revoked {
                member,
                partitions: vec![from],
            },
            Body::Processed {
                member,
                from,
                offset,
                content,
            },
        ];
        let at = reading.placed.event.at;
        let life = life.map(|body| Event { at, body });
        Some(Mutation {
            anomaly: Anomaly::ZombieProcessing,
            what: format!(
                "{} processed by a member of {} that had lost the partition",
                self.name(trace),
                self.survey.names.group(group)
            ),
            effects: vec![(Anomaly::ZombieProcessing, 1), (Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::After(life.to_vec()))],
        })
    }
}
