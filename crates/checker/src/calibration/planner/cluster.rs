//! Mutants of what brokers and members answer for: ends, replicas,
//! assignments. Knows nothing of transactions.

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event};
use model::ids::Offset;

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;

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
        // The partition's member tells whether a late group was still coming to it.
        let late = &self.survey.excusable.late;
        let (trace, reading) = self.only_reading(|_, reading| !late.contains(&reading.group))?;
        let member = self.survey.names.unused_member();
        let (group, from) = (reading.group, trace.target.partition);
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
            reading.by(member),
        ];
        let at = reading.placed.event.at;
        Some(Mutation {
            anomaly: Anomaly::ZombieProcessing,
            what: format!(
                "{} processed by a member of {} that had lost the partition",
                self.name(trace),
                self.survey.names.group(group)
            ),
            effects: vec![(Anomaly::ZombieProcessing, 1), (Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::after(at, life))],
        })
    }
}
