//! After the last record was sent: groups, transforms and connectors get the
//! time to reach the end.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use model::event::{Body, Isolation};
use model::ids::{GroupIx, Offset, PartitionRef};
use model::scenario::{Group, Transform};

use super::Workload;
use crate::database::Database;
use crate::error::EngineError;
use crate::observer::Observer;
use crate::observer::ends::ReadableEnd;
use crate::stall::transaction_close_limit;
use crate::wait::Wait;

impl Workload<'_> {
    /// Gives groups and connectors the time to reach the end.
    pub(crate) async fn drain(
        &self,
        observer: &mut Observer,
        database: Option<&Database>,
    ) -> Result<(), EngineError> {
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        observer.note_deleted().await?;
        if let Some(database) = database {
            database
                .wait_captured(observer, self.recorder, limit_ms)
                .await?;
            observer.note_tails().await?;
        }
        let limit = Duration::from_millis(limit_ms);
        for transform in &self.plan.scenario.transforms {
            self.finish_transform(transform, observer, limit).await?;
        }
        let ends = self.ends(observer).await?;
        let wanted: Vec<_> = self.wanted(&ends).collect();
        let waits = self.groups_numbered().map(|(ix, group)| {
            // Where it is not known how far a group should get, it has all the
            // time.
            let topic = self.plan.topic_ix(&group.topic);
            let known = ends.keys().filter(|place| Some(place.topic) == topic);
            let whole = known.count() == self.partitions_of(&group.topic);
            self.wait_for_group(ix, &wanted, (limit, whole))
        });
        let all_read = join_all(waits);
        let alive = self.watch_members();
        tokio::select! {
            _ = all_read => Ok(()),
            died = alive => Err(died),
        }
    }

    /// Leaves a group to read until it has come to the ends, or its time is up,
    /// and writes down when that began and was over.
    async fn wait_for_group(
        &self,
        group: GroupIx,
        wanted: &[(GroupIx, PartitionRef, Offset)],
        (limit, whole): (Duration, bool),
    ) {
        self.recorder.note(Body::WaitBegan { group });
        let name = self.plan.groups().find(|known| known.ix == group);
        let name = name.map_or("", |known| known.name);
        let waits = self.recorder.waits();
        let waiting = waits.begin_for(Wait::GroupEnd, name, limit);
        let own: Vec<_> = wanted.iter().filter(|(of, ..)| *of == group).collect();
        let read = self.recorder.until(|counts| {
            whole
                && own.iter().all(|(group, partition, end)| {
                    let position = counts.positions.get(&(*group, *partition));
                    position.is_some_and(|at| at >= end)
                })
        });
        // Late is no error here: the verdict tells of a group that stopped, and
        // of one that was only slow.
        let _ = waiting.done(read).await;
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        self.recorder.note(Body::GroupWaited { group, limit_ms });
    }

    /// Waits until a group that writes has committed everything, lets its
    /// members leave, and waits until no transaction of theirs is open: only
    /// then is it settled what there is to read behind it.
    async fn finish_transform(
        &self,
        transform: &Transform,
        observer: &mut Observer,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let from = self.plan.topic_ix(&transform.from);
        let Some(group) = self.plan.group_ix(&transform.name) else {
            return Ok(());
        };
        let level = self.level(group);
        let readable = observer.readable().await?.into_iter();
        let wanted: BTreeMap<PartitionRef, Offset> = readable
            .filter(|(place, _)| Some(place.topic) == from)
            .map(|(place, readable)| (place, readable.at(level)))
            .collect();
        self.recorder.note(Body::WaitBegan { group });
        let whole = wanted.len() == self.partitions_of(&transform.from);
        let waits = self.recorder.waits();
        let waiting = waits.begin_for(Wait::GroupCommit, &transform.name, limit);
        let committed = async {
            if !whole {
                // It is not known how far it should get: it has all the time.
                std::future::pending::<()>().await;
            }
            observer.await_committed(&transform.name, &wanted).await
        };
        tokio::select! {
            // Late is no error here: the verdict tells of an incomplete group.
            ended = waiting.done(committed) => ended.unwrap_or(Ok(()))?,
            died = self.watch_members() => return Err(died),
        }
        drop(waiting);
        let limit_ms = self.plan.scenario.drain_timeout_ms;
        self.recorder.note(Body::GroupWaited { group, limit_ms });
        if let Some(members) = self.groups.lock().await.get_mut(&transform.name) {
            members.leave().await?;
        }
        observer
            .await_stable(transaction_close_limit(&self.plan.scenario))
            .await
    }

    fn partitions_of(&self, topic: &str) -> usize {
        let known = self.topics.iter().find(|known| known.name == topic);
        known.map_or(0, |known| known.partitions.unsigned_abs() as usize)
    }

    /// Where a group that only reads gets to in every partition.
    async fn ends(
        &self,
        observer: &mut Observer,
    ) -> Result<BTreeMap<PartitionRef, ReadableEnd>, EngineError> {
        if self.plan.scenario.groups.is_empty() {
            return Ok(BTreeMap::new());
        }
        let any = !self.plan.scenario.transforms.is_empty();
        if any || observer.reads_transactions() {
            return observer.readable().await;
        }
        // Without transactions there is nothing to look behind.
        let ends = observer.ends().await?.into_iter();
        Ok(ends.map(|(place, end)| (place, end.into())).collect())
    }

    fn level(&self, group: GroupIx) -> Isolation {
        let known = self.recorder.counts().isolation;
        known.get(&group).copied().unwrap_or_default()
    }

    /// Which group must get how far in which partition.
    fn wanted(
        &self,
        ends: &BTreeMap<PartitionRef, ReadableEnd>,
    ) -> impl Iterator<Item = (GroupIx, PartitionRef, Offset)> {
        self.groups_numbered().flat_map(move |(ix, group)| {
            let topic = self.plan.topic_ix(&group.topic);
            let level = self.level(ix);
            ends.iter()
                .map(move |(place, end)| (ix, *place, end.at(level)))
                .filter(move |(_, place, end)| Some(place.topic) == topic && end.get() > 0)
        })
    }

    fn groups_numbered(&self) -> impl Iterator<Item = (GroupIx, &Group)> {
        let groups = self.plan.scenario.groups.iter().zip(0u16..);
        groups.map(|(group, ix)| (GroupIx::new(ix), group))
    }
}
