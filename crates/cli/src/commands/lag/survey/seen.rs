//! What a survey has observed, by group. Knows nothing of requests.

use std::collections::{BTreeMap, BTreeSet};

use lag::{Consumer, Earlier, GroupSeen, Known, PartitionSeen, Reason, Skipped};
use model::ids::{GroupId, TopicPartition};
use tokio::time::Instant;
use wire::{GroupDescription, GroupState, GroupType, ListedGroup};

use super::{Log, Survey, has_positions};

impl Survey {
    /// Why there may be more groups.
    pub(in crate::commands::lag) fn incomplete(&self) -> Vec<String> {
        match &self.listed {
            Some(_) => self.incomplete.clone(),
            None => vec![format!("the groups are unknown: {}", self.late)],
        }
    }

    /// Groups that are left out because they have no positions.
    pub(in crate::commands::lag) fn skipped(&self) -> Vec<Skipped> {
        let listed = self.listed.iter().flatten();
        listed
            .filter(|(_, (_, it))| self.asked.is_empty() && !has_positions(it))
            .map(|(group, (_, it))| Skipped {
                group: group.clone(),
                reason: format!(
                    "its protocol type is `{}`: members of such groups commit no positions",
                    it.protocol_type
                ),
            })
            .collect()
    }

    /// Everything that was observed, by group.
    pub(in crate::commands::lag) fn groups(&self) -> Vec<GroupSeen> {
        let chosen: BTreeMap<_, _> = self.chosen().map(|(id, _, it)| (id, it)).collect();
        let missing = self.asked.iter().filter(|it| !chosen.contains_key(it));
        let mut groups: Vec<_> = missing.map(|group| self.unlisted(group)).collect();
        groups.extend(chosen.values().map(|listed| self.group(listed)));
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        groups
    }

    fn unlisted(&self, group: &GroupId) -> GroupSeen {
        let incomplete = self.incomplete();
        let (consumer, reason) = match incomplete.first() {
            Some(why) => (Consumer::Unknown, Reason::new(why)),
            None => (
                Consumer::Absent,
                Reason::new(
                    "no coordinator knows the group: it was never there, was deleted, or its \
                     offsets expired (offsets.retention.minutes)",
                ),
            ),
        };
        GroupSeen {
            group: group.clone(),
            group_type: None,
            state: Err(reason.clone()),
            members: Err(reason.clone()),
            consumer,
            partitions: Err(reason),
        }
    }

    fn group(&self, listed: &ListedGroup) -> GroupSeen {
        let described = match (&listed.group_type, self.described.get(&listed.group)) {
            (_, Some(described)) => described.clone(),
            (Some(GroupType::Streams | GroupType::Other(_)), None) => Err(Reason::new(
                "members of groups of this type are not asked for",
            )),
            (_, None) => Err(self.late.clone()),
        };
        let state = match (&described, &listed.state) {
            (Ok(description), _) => Ok(description.state.clone()),
            (Err(_), Some(state)) => Ok(state.clone()),
            (Err(reason), None) => Err(reason.clone()),
        };
        let members = described
            .as_ref()
            .map(|it| u64::try_from(it.members.len()).unwrap_or(u64::MAX))
            .map_err(Clone::clone);
        GroupSeen {
            group: listed.group.clone(),
            group_type: listed.group_type.as_ref().map(ToString::to_string),
            consumer: consumer(listed, &state, &members),
            state: state.map(|it| it.to_string()),
            members,
            partitions: self.partitions(listed, described.as_ref().ok()),
        }
    }

    fn partitions(
        &self,
        listed: &ListedGroup,
        description: Option<&GroupDescription>,
    ) -> Known<Vec<PartitionSeen>> {
        let sample = self.samples.last().ok_or_else(|| self.late.clone())?;
        let (read_at, positions) = sample
            .positions
            .get(&listed.group)
            .ok_or_else(|| self.late.clone())?;
        let positions = positions.clone()?;
        let members = description.map_or(&[][..], |it| &it.members);
        let mut owners = BTreeMap::new();
        for member in members {
            let assigned = member.assigned.iter();
            owners.extend(assigned.map(|it| (it.clone(), member.client_id.clone())));
        }
        let all: BTreeSet<_> = positions.keys().chain(owners.keys()).cloned().collect();
        let partitions = all.into_iter().map(|partition| {
            let position = match positions.get(&partition) {
                None => Ok(None),
                Some(Ok(position)) => Ok(Some(*position)),
                Some(Err(reason)) => Err(reason.clone()),
            };
            let log = sample.logs.get(&partition);
            let seen = log.map_or_else(|| Err(self.late.clone()), |it| it.seen.clone());
            let from = match (&position, &seen) {
                (Ok(Some(position)), Ok(seen)) => Some((*position).max(seen.start)),
                _ => None,
            };
            let next = from.and_then(|from| self.next.get(&(partition.clone(), from)).cloned());
            let retention = self.retention.get(&partition.topic).cloned();
            let log_bytes = self.log_bytes.get(&partition).cloned();
            PartitionSeen {
                member: owners.remove(&partition),
                earlier: self.earlier(listed, &partition, *read_at, log),
                position,
                log: seen,
                next: next.unwrap_or_else(|| Err(self.late.clone())),
                retention: retention.unwrap_or_else(|| Err(self.late.clone())),
                log_bytes: log_bytes.unwrap_or_else(|| Err(self.late.clone())),
                now_ms: sample.now_ms,
                shared: listed.group_type == Some(GroupType::Share),
                partition,
            }
        });
        Ok(partitions.collect())
    }

    /// The partition in the sample before the last.
    fn earlier(
        &self,
        listed: &ListedGroup,
        partition: &TopicPartition,
        read_at: Instant,
        log: Option<&Log>,
    ) -> Known<Earlier> {
        if self.window.is_zero() {
            return Err(Reason::new("rates were not measured (--window 0s)"));
        }
        let [before, _] = &self.samples[..] else {
            return Err(self.late.clone());
        };
        let missing = || Reason::new("it was not there when the rates began to be measured");
        let (read_before, positions) = before.positions.get(&listed.group).ok_or_else(missing)?;
        let position = match positions {
            Ok(positions) => positions.get(partition).cloned().transpose(),
            Err(reason) => Err(reason.clone()),
        };
        let log_before = before.logs.get(partition);
        let since = |at: Instant, before: Instant| {
            u64::try_from(at.duration_since(before).as_millis()).unwrap_or(u64::MAX)
        };
        Ok(Earlier {
            position,
            position_ms: since(read_at, *read_before),
            end: match log_before {
                Some(log) => log.seen.clone().map(|it| it.end),
                None => Err(missing()),
            },
            end_ms: match (log, log_before) {
                (Some(log), Some(before)) => since(log.at, before.at),
                _ => 0,
            },
        })
    }
}

fn consumer(listed: &ListedGroup, state: &Known<GroupState>, members: &Known<u64>) -> Consumer {
    let waits = [
        GroupState::PreparingRebalance,
        GroupState::CompletingRebalance,
        GroupState::Assigning,
        GroupState::Reconciling,
    ];
    match (state, members) {
        (Ok(GroupState::Empty | GroupState::Dead), _) | (_, Ok(0)) => {
            if listed.protocol_type.is_empty() {
                Consumer::Simple
            } else {
                Consumer::Gone
            }
        }
        (Ok(state), _) if waits.contains(state) => Consumer::Rebalancing,
        (Ok(_), _) => Consumer::Present,
        (Err(_), _) => Consumer::Unknown,
    }
}
