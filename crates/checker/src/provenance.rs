//! Where a history comes from, and what it is known to lack. Knows nothing of
//! what happened in it.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Isolation};
use model::ids::{GroupIx, ProducerIx};

/// What may not be said of a history that lacks something: every one of these
/// is the absence of an event that may only not have been recorded.
pub(crate) const ABSENCES: [Anomaly; 6] = [
    Anomaly::LostWrite,
    Anomaly::Unseen,
    Anomaly::PollSkip,
    Anomaly::GroupGap,
    Anomaly::GroupIncomplete,
    Anomaly::IntPollSkip,
];

/// What a history says of itself and of its groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    /// The tool that recorded it, where that was another one.
    pub(crate) imported: Option<String>,
    /// What it lacks, and how that is known.
    pub(crate) lacking: Vec<String>,
    unrecorded: BTreeSet<ProducerIx>,
    isolation: BTreeMap<GroupIx, Isolation>,
    /// Groups that rely on being given committed records only.
    relying: BTreeSet<GroupIx>,
}

impl Provenance {
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
            Body::Imported { tool } => self.imported = Some(tool.clone()),
            Body::Lacking { what } => self.lacking.push(what.clone()),
            Body::SendsUnrecorded { producer } => {
                self.unrecorded.insert(*producer);
            }
            Body::IsolationDeclared { group, isolation } => {
                self.isolation.insert(*group, *isolation);
            }
            Body::CommittedExpected { group } => {
                self.relying.insert(*group);
            }
            _ => {}
        }
    }

    /// Whether another tool recorded it, so that no observer read the truth.
    pub(crate) const fn is_imported(&self) -> bool {
        self.imported.is_some()
    }

    /// Whether every send of a producer is on record.
    pub(crate) fn announces(&self, producer: ProducerIx) -> bool {
        !self.unrecorded.contains(&producer)
    }

    /// Which records the members of a group are given.
    pub(crate) fn isolation(&self, group: GroupIx) -> Isolation {
        self.isolation.get(&group).copied().unwrap_or_default()
    }

    /// Whether a group is held to being given committed records only: because
    /// it reads with that level, or because it relies on it.
    pub(crate) fn must_read_committed(&self, group: GroupIx) -> bool {
        self.reads_committed(group) || self.relying.contains(&group)
    }

    /// Whether a group is given committed records only.
    pub(crate) fn reads_committed(&self, group: GroupIx) -> bool {
        self.isolation(group) == Isolation::ReadCommitted
    }
}
