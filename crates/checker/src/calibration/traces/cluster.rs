//! Where the events of brokers and members stand that mutants need.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, Event};
use model::ids::{BrokerId, Offset, PartitionRef};

use crate::analysis::Analysis;
use crate::calibration::traces::Placed;

/// Where the events stand that these mutants need.
pub(crate) struct ClusterTraces {
    /// By name: partitions whose replicas differ already.
    pub(crate) diverged: BTreeSet<String>,
    pub(crate) pinned: BTreeMap<PartitionRef, Placed>,
    ranges: BTreeMap<(PartitionRef, BrokerId), (Offset, Offset)>,
    read: BTreeSet<(PartitionRef, BrokerId)>,
    pub(crate) replicas: BTreeMap<(PartitionRef, Offset), Vec<Placed>>,
}

impl ClusterTraces {
    pub(crate) fn new(analysis: &Analysis) -> Self {
        let findings = analysis.findings.iter();
        let diverged = findings
            .filter(|finding| finding.anomaly == Anomaly::ReplicaDivergence)
            .flat_map(|finding| finding.ranges.iter().map(|range| range.of.clone()))
            .collect();
        Self {
            diverged,
            pinned: BTreeMap::new(),
            ranges: BTreeMap::new(),
            read: BTreeSet::new(),
            replicas: BTreeMap::new(),
        }
    }

    pub(crate) fn observe(
        &mut self,
        placed: &impl Fn() -> Placed,
        event: &Event,
        targets: &HashMap<(PartitionRef, Offset), usize>,
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
            } if targets.contains_key(&(*partition, *offset)) => {
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
    pub(crate) fn all_hold(&self, partition: PartitionRef, offset: Offset) -> bool {
        let mut ranges = self.ranges.iter().filter(|((of, _), _)| *of == partition);
        ranges.clone().count() > 1
            && ranges.all(|(of, (first, end))| {
                self.read.contains(of) && (*first..*end).contains(&offset)
            })
    }
}
