//! What a cluster says of its groups, step by step. The number of requests depends on the
//! brokers, not on the groups. What follows from the answers is for the crate `lag`.

mod logs;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use lag::{Known, LogSeen, Reason, Retention};
use model::ids::{BrokerId, GroupId, Offset, TopicName, TopicPartition};
use tokio::time::{Instant, sleep_until};
use wire::{
    ByGroup, ErrorCode, GroupDescription, GroupOffsets, GroupState, GroupType, ListedGroup,
    Metadata, TopicId,
};

use self::logs::{logs, retention};
use super::brokers::Brokers;
use super::unread::{NextByPosition, Wanted, next_unread};
use crate::failure::chain;

/// Where coordinators keep their groups: a partition of it without a leader hides some.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Everything observed so far. A survey that was cut off keeps what it has.
pub(super) struct Survey {
    /// Why a number is unknown that was not asked for yet.
    late: Reason,
    asked: BTreeSet<GroupId>,
    listed: Option<BTreeMap<GroupId, (BrokerId, ListedGroup)>>,
    incomplete: Vec<String>,
    described: BTreeMap<GroupId, Known<GroupDescription>>,
    /// The first, and the one after the window.
    samples: Vec<Sample>,
    window: Duration,
    retention: BTreeMap<TopicName, Known<Retention>>,
    next: NextByPosition,
    log_bytes: BTreeMap<TopicPartition, Known<u64>>,
}

/// Positions and logs at one moment.
struct Sample {
    positions: BTreeMap<GroupId, (Instant, Known<Positions>)>,
    logs: BTreeMap<TopicPartition, Log>,
    now_ms: i64,
}

struct Log {
    leader: Option<BrokerId>,
    topic_id: Option<TopicId>,
    at: Instant,
    seen: Known<LogSeen>,
}

impl Survey {
    /// Of these groups, or of all; `timeout` is told where it cut the survey off.
    pub(super) fn new(asked: &[String], window: Duration, timeout: Duration) -> Self {
        Self {
            late: Reason::new(format!(
                "not established within --timeout {}s",
                timeout.as_secs_f64()
            )),
            asked: asked.iter().map(GroupId::new).collect(),
            listed: None,
            incomplete: Vec::new(),
            described: BTreeMap::new(),
            samples: Vec::new(),
            window,
            retention: BTreeMap::new(),
            next: NextByPosition::new(),
            log_bytes: BTreeMap::new(),
        }
    }

    /// Asks for everything, once.
    pub(super) async fn carry_out(&mut self, brokers: &mut Brokers, offsets_topic: &Metadata) {
        self.list(brokers, offsets_topic).await;
        self.describe(brokers).await;
        let first = self.sample(brokers).await;
        self.samples.push(first);
        let since = Instant::now();
        self.read_retention(brokers).await;
        if !self.window.is_zero() {
            sleep_until(since + self.window).await;
            let second = self.sample(brokers).await;
            self.samples.push(second);
        }
        self.read_next(brokers).await;
        self.measure_logs(brokers).await;
    }

    async fn list(&mut self, brokers: &mut Brokers, offsets_topic: &Metadata) {
        let all = brokers.ids().map(|id| (id, ())).collect();
        let lists = brokers
            .ask(all, async |connection, ()| connection.list_groups().await)
            .await;
        let mut listed = BTreeMap::new();
        for (broker, list) in lists {
            match list {
                Ok(list) => {
                    let groups = list.into_iter().map(|it| (it.group.clone(), (broker, it)));
                    listed.extend(groups);
                }
                Err(reason) => self.incomplete.push(format!(
                    "the groups of broker {broker} are unknown: {reason}"
                )),
            }
        }
        let partitions = offsets_topic.topics.iter().flat_map(|it| &it.partitions);
        let leaderless = partitions
            .flatten()
            .filter(|it| it.leader.is_none())
            .count();
        if leaderless > 0 {
            self.incomplete.push(format!(
                "the groups of {leaderless} partitions of {OFFSETS_TOPIC} are unknown: they have \
                 no leader"
            ));
        }
        self.listed = Some(listed);
    }

    /// The groups that the report is about, with their coordinators; those asked for that no
    /// coordinator lists are not among them.
    fn chosen(&self) -> impl Iterator<Item = (&GroupId, BrokerId, &ListedGroup)> {
        let listed = self.listed.iter().flatten();
        listed.filter_map(move |(group, (broker, listed))| {
            let is_chosen = if self.asked.is_empty() {
                has_positions(listed)
            } else {
                self.asked.contains(group)
            };
            is_chosen.then_some((group, *broker, listed))
        })
    }

    /// Chosen groups of which this is true, by coordinator.
    fn by_coordinator(
        &self,
        is_wanted: impl Fn(&GroupId, Option<&GroupType>) -> bool,
    ) -> BTreeMap<BrokerId, Vec<GroupId>> {
        let mut groups: BTreeMap<BrokerId, Vec<GroupId>> = BTreeMap::new();
        for (group, broker, listed) in self.chosen() {
            if is_wanted(group, listed.group_type.as_ref()) {
                groups.entry(broker).or_default().push(group.clone());
            }
        }
        groups
    }

    async fn describe(&mut self, brokers: &mut Brokers) {
        let classic = self.by_coordinator(|_, of| matches!(of, None | Some(GroupType::Classic)));
        let described = brokers
            .ask(classic.clone(), async |connection, groups: Vec<_>| {
                connection.describe_classic_groups(&groups).await
            })
            .await;
        self.described.extend(by_group(classic, described));
        // Where brokers do not tell the type, a group of KIP-848 looks like a dead one.
        let consumer = self.by_coordinator(|group, of| match of {
            None => matches!(self.described.get(group),
                Some(Ok(it)) if it.state == GroupState::Dead),
            Some(of) => *of == GroupType::Consumer,
        });
        let described = brokers
            .ask(consumer.clone(), async |connection, groups: Vec<_>| {
                connection.describe_consumer_groups(&groups).await
            })
            .await;
        self.described.extend(by_group(consumer, described));
        let share = self.by_coordinator(|_, of| of == Some(&GroupType::Share));
        let described = brokers
            .ask(share.clone(), async |connection, groups: Vec<_>| {
                connection.describe_share_groups(&groups).await
            })
            .await;
        self.described.extend(by_group(share, described));
    }

    async fn sample(&self, brokers: &mut Brokers) -> Sample {
        let mut positions = BTreeMap::new();
        let committed = self.by_coordinator(|_, of| of != Some(&GroupType::Share));
        let answers = brokers
            .ask(committed.clone(), async |connection, groups: Vec<_>| {
                connection.offset_fetch_groups(&groups).await
            })
            .await;
        positions.extend(positions_of(committed, answers));
        let shared = self.by_coordinator(|_, of| of == Some(&GroupType::Share));
        let answers = brokers
            .ask(shared.clone(), async |connection, groups: Vec<_>| {
                connection.share_group_offsets(&groups).await
            })
            .await;
        positions.extend(positions_of(shared, answers));

        let mut partitions: BTreeSet<TopicPartition> = BTreeSet::new();
        for (_, of_group) in positions.values() {
            partitions.extend(of_group.iter().flat_map(BTreeMap::keys).cloned());
        }
        for description in self.described.values().flatten() {
            let assigned = description.members.iter().flat_map(|it| &it.assigned);
            partitions.extend(assigned.cloned());
        }
        // After the positions: a position behind the end is so not by chance.
        let logs = logs(brokers, partitions).await;
        Sample {
            positions,
            logs,
            now_ms: now_ms(),
        }
    }

    async fn read_retention(&mut self, brokers: &mut Brokers) {
        let logs = self.samples.iter().flat_map(|it| it.logs.keys());
        let topics: BTreeSet<_> = logs.map(|it| it.topic.clone()).collect();
        if topics.is_empty() {
            return;
        }
        let topics: Vec<_> = topics.into_iter().collect();
        let keys = ["cleanup.policy", "retention.ms", "retention.bytes"];
        let described = brokers
            .first(async |connection| connection.describe_topics_configs(&topics, &keys).await)
            .await;
        self.retention = match described {
            Ok(described) => described
                .into_iter()
                .map(|(topic, configs)| {
                    let configs = configs.map_err(|refusal| Reason::new(refusal.to_string()));
                    (topic, configs.and_then(|it| retention(&it)))
                })
                .collect(),
            Err(reason) => {
                let unknown = |topic| (topic, Err(reason.clone()));
                topics.into_iter().map(unknown).collect()
            }
        };
    }

    async fn read_next(&mut self, brokers: &mut Brokers) {
        let Some(sample) = self.samples.last_mut() else {
            return;
        };
        let mut wanted: BTreeMap<TopicPartition, Wanted> = BTreeMap::new();
        let positions = sample
            .positions
            .values()
            .filter_map(|(_, it)| it.as_ref().ok());
        for (partition, position) in positions.flatten() {
            let Some(log) = sample.logs.get(partition) else {
                continue;
            };
            let (Ok(position), Ok(seen), Some(leader)) = (position, &log.seen, log.leader) else {
                continue;
            };
            let from = (*position).max(seen.start);
            if from < seen.end {
                let wanted = wanted.entry(partition.clone()).or_insert_with(|| Wanted {
                    leader,
                    topic_id: log.topic_id,
                    positions: BTreeSet::new(),
                    end: seen.end,
                });
                wanted.positions.insert(from);
            }
        }
        self.next = next_unread(brokers, wanted).await;
        sample.now_ms = now_ms();
    }

    /// The bytes of the logs that are limited by them.
    async fn measure_logs(&mut self, brokers: &mut Brokers) {
        let Some(sample) = self.samples.last() else {
            return;
        };
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for (partition, log) in &sample.logs {
            let retention = self.retention.get(&partition.topic);
            let is_limited = matches!(retention, Some(Ok(it)) if it.deletes && it.bytes.is_some());
            if let Some(leader) = log.leader.filter(|_| is_limited) {
                by_leader.entry(leader).or_default().push(partition.clone());
            }
        }
        let answers = brokers
            .ask(by_leader.clone(), async |connection, places: Vec<_>| {
                connection.log_sizes(&places).await
            })
            .await;
        for (leader, answer) in answers {
            for partition in by_leader.remove(&leader).unwrap_or_default() {
                let size = match &answer {
                    Ok(sizes) => sizes.get(&partition).copied(),
                    Err(reason) => {
                        self.log_bytes.insert(partition, Err(reason.clone()));
                        continue;
                    }
                };
                let untold = || Reason::new("the leader does not tell the log's size");
                let bytes = size.ok_or_else(untold);
                self.log_bytes.insert(partition, bytes);
            }
        }
    }
}

/// Members of a Connect cluster, say, commit none by way of their group.
fn has_positions(listed: &ListedGroup) -> bool {
    ["", "consumer", "share", "streams"].contains(&listed.protocol_type.as_str())
}

/// What each broker answered about its groups, or why each of them has no answer.
fn by_group<T: Clone>(
    asked: BTreeMap<BrokerId, Vec<GroupId>>,
    mut answers: BTreeMap<BrokerId, Result<ByGroup<T>, Reason>>,
) -> BTreeMap<GroupId, Known<T>> {
    let mut by_group = BTreeMap::new();
    for (broker, groups) in asked {
        match answers.remove(&broker) {
            Some(Ok(answer)) => {
                by_group.extend(
                    answer
                        .into_iter()
                        .map(|(group, it)| (group, it.map_err(|error| Reason::new(chain(&error))))),
                );
            }
            Some(Err(reason)) => {
                by_group.extend(groups.into_iter().map(|it| (it, Err(reason.clone()))));
            }
            None => {}
        }
    }
    by_group
}

type Positions = BTreeMap<TopicPartition, Known<Offset>>;

fn positions_of(
    asked: BTreeMap<BrokerId, Vec<GroupId>>,
    answers: BTreeMap<BrokerId, Result<ByGroup<GroupOffsets>, Reason>>,
) -> impl Iterator<Item = (GroupId, (Instant, Known<Positions>))> {
    let at = Instant::now();
    let by_group = by_group(asked, answers).into_iter();
    by_group.map(move |(group, offsets)| {
        let positions = offsets.map(|offsets| {
            let each = offsets.into_iter().map(|(partition, position)| {
                let position = position.map(|it| it.next).map_err(reason);
                (partition, position)
            });
            each.collect()
        });
        (group, (at, positions))
    })
}

fn reason(code: ErrorCode) -> Reason {
    Reason::new(code.to_string())
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
