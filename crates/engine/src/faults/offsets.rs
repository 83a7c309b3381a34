//! A group's committed offsets: deleted, as the coordinator deletes them when
//! `offsets.retention.minutes` have passed since the group's last member left.

use std::time::Duration;

use model::ids::GroupId;
use wire::Cluster;

use super::injection::{FaultContext, Proof, Result};
use crate::connect::connect;
use crate::wait::Wait;

/// How often that is tried.
const TRY_INTERVAL: Duration = Duration::from_millis(50);

/// Deletes them, and shows by the coordinator's own word that there were some
/// and that there are none.
pub(super) async fn delete(
    context: &FaultContext<'_>,
    group: &str,
    proof: &mut Proof,
) -> Result<()> {
    let mut cluster = connect(&context.target.direct()).await?;
    let id = GroupId::new(group);
    let before = cluster.offset_fetch(&id).await?.len();
    proof.add(
        "the group had committed offsets",
        before > 0,
        format!("of {before} partitions, as the coordinator says"),
    );
    if context.effect.is_real() {
        delete_once_empty(context, &mut cluster, &id).await?;
    }
    let after = cluster.offset_fetch(&id).await?.len();
    proof.add(
        "the group has no committed offset any more",
        after == 0,
        format!("of {after} partitions, as the coordinator says"),
    );
    Ok(())
}

/// A group is deleted only without members, and a goodbye takes its time.
async fn delete_once_empty(
    context: &FaultContext<'_>,
    cluster: &mut Cluster,
    group: &GroupId,
) -> Result<()> {
    let waiting = context.recorder.waits().begin(Wait::EmptyGroup, group);
    loop {
        let outcomes = cluster.delete_groups(std::slice::from_ref(group)).await?;
        if matches!(outcomes.get(group), Some(Ok(()))) {
            return Ok(());
        }
        waiting.pause_or_fail(TRY_INTERVAL).await?;
    }
}
