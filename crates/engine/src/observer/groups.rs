//! What coordinators say of groups: who has joined, and what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::event::Body;
use model::ids::{GroupId, Offset, PartitionRef};
use model::plan::ScenarioPlan;
use wire::GroupState;

use super::{NamedPartition, Observer};
use crate::connect::{Direct, connect};
use crate::error::EngineError;
use crate::wait::pass;

/// How often a coordinator is asked who has joined a group.
const JOIN_INTERVAL: Duration = Duration::from_millis(50);

/// How often a coordinator is asked what a group has committed.
const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

impl Observer {
    /// What the coordinator says the groups have committed.
    pub(crate) async fn read_group_offsets(
        &mut self,
        plan: &ScenarioPlan,
    ) -> Result<(), EngineError> {
        for group in plan.groups() {
            let id = GroupId::new(group.name);
            let committed = self.cluster.offset_fetch(&id).await?;
            for place in self.places() {
                if place.name.topic.as_str() == group.topic {
                    self.recorder.note(Body::GroupOffset {
                        group: group.ix,
                        partition: place.number,
                        offset: committed.get(&place.name).map(|offset| offset.next),
                    });
                }
            }
        }
        Ok(())
    }

    /// Waits until the coordinator holds these positions of a group, or later
    /// ones. Stands in the wait for the group.
    pub(crate) async fn await_committed(
        &mut self,
        group: &str,
        wanted: &BTreeMap<PartitionRef, Offset>,
    ) -> Result<(), EngineError> {
        let id = GroupId::new(group);
        let places = self.places();
        loop {
            let committed = self.cluster.offset_fetch(&id).await?;
            let reached = |place: &NamedPartition| {
                let wanted = wanted.get(&place.number).copied().unwrap_or_default();
                let at = committed.get(&place.name).map(|offset| offset.next);
                at.unwrap_or_default() >= wanted
            };
            if places.iter().all(reached) {
                return Ok(());
            }
            pass(COMMIT_INTERVAL).await;
        }
    }
}

/// Waits until so many partitions are with a group's members, however many these are. Stands
/// in the wait for an application.
pub(crate) async fn await_any_joined(
    to: &Direct,
    group: &str,
    partitions: usize,
) -> Result<(), EngineError> {
    let mut cluster = connect(to).await?;
    let id = GroupId::new(group);
    loop {
        let found = cluster.describe_group(&id).await?;
        let given: BTreeSet<_> = found.members.iter().flat_map(|it| &it.assigned).collect();
        if found.state == GroupState::Stable && given.len() >= partitions {
            return Ok(());
        }
        pass(JOIN_INTERVAL).await;
    }
}

/// Waits until a group has so many members, and so many partitions are with
/// them, as its coordinator describes it. Stands in the wait for an assignment.
pub(crate) async fn await_joined(
    to: &Direct,
    group: &str,
    members: usize,
    partitions: usize,
) -> Result<(), EngineError> {
    let mut cluster = connect(to).await?;
    let id = GroupId::new(group);
    loop {
        let found = cluster.describe_group(&id).await?;
        let given: BTreeSet<_> = found.members.iter().flat_map(|it| &it.assigned).collect();
        if found.state == GroupState::Stable
            && found.members.len() == members
            && given.len() == partitions
        {
            return Ok(());
        }
        pass(JOIN_INTERVAL).await;
    }
}
