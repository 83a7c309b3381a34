//! Where partitions begin and end, and what deletes their records. Knows nothing of groups.

use std::collections::{BTreeMap, BTreeSet};

use lag::{Known, LogSeen, Reason, Retention};
use model::ids::{BrokerId, Offset, TopicPartition};
use tokio::time::Instant;
use wire::{
    ConfigValue, Configs, ErrorCode, Isolation, ListedOffset, Metadata, OffsetSpec, TopicId,
};

use super::{Log, reason};
use crate::commands::lag::brokers::Brokers;

/// Where these partitions begin and end, by their leaders.
pub(super) async fn logs(
    brokers: &mut Brokers,
    partitions: BTreeSet<TopicPartition>,
) -> BTreeMap<TopicPartition, Log> {
    if partitions.is_empty() {
        return BTreeMap::new();
    }
    let topics: BTreeSet<_> = partitions.iter().map(|it| it.topic.clone()).collect();
    let topics: Vec<_> = topics.into_iter().collect();
    let metadata = brokers.topics(&topics).await;
    let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
    let mut logs = BTreeMap::new();
    for partition in partitions {
        let log = match leader(&metadata, &partition) {
            Ok((leader, topic_id)) => {
                by_leader.entry(leader).or_default().push(partition.clone());
                let leader = Some(leader);
                (
                    leader,
                    topic_id,
                    Err(Reason::new("its leader was not asked")),
                )
            }
            Err(reason) => (None, None, Err(reason)),
        };
        let (leader, topic_id, seen) = log;
        let log = Log {
            leader,
            topic_id,
            at: Instant::now(),
            seen,
        };
        logs.insert(partition, log);
    }
    let answers = brokers
        .ask(by_leader.clone(), async |connection, places: Vec<_>| {
            let starts = connection
                .list_offsets(&places, OffsetSpec::Earliest)
                .await?;
            let ends = OffsetSpec::Latest(Isolation::ReadUncommitted);
            let ends = connection.list_offsets(&places, ends).await?;
            let at = Instant::now();
            let stable = OffsetSpec::Latest(Isolation::ReadCommitted);
            let stable = connection.list_offsets(&places, stable).await?;
            Ok((at, starts, ends, stable))
        })
        .await;
    for (leader, answer) in answers {
        for partition in by_leader.remove(&leader).unwrap_or_default() {
            let Some(log) = logs.get_mut(&partition) else {
                continue;
            };
            log.seen = match &answer {
                Err(reason) => Err(reason.clone()),
                Ok((at, starts, ends, stable)) => {
                    log.at = *at;
                    let offset =
                        |of: &BTreeMap<TopicPartition, ListedOffset>| match of.get(&partition) {
                            Some(Ok(offset)) => Ok(*offset),
                            Some(Err(code)) => Err(reason(*code)),
                            None => Err(Reason::new("its leader did not answer for it")),
                        };
                    log_seen(offset(starts), offset(ends), offset(stable))
                }
            };
        }
    }
    logs
}

fn log_seen(start: Known<Offset>, end: Known<Offset>, stable: Known<Offset>) -> Known<LogSeen> {
    let end = end?;
    Ok(LogSeen {
        start: start?,
        end,
        // It was asked for later.
        stable_end: stable?.min(end),
    })
}

fn leader(
    metadata: &Known<Metadata>,
    partition: &TopicPartition,
) -> Known<(BrokerId, Option<TopicId>)> {
    let metadata = metadata.as_ref().map_err(Clone::clone)?;
    let gone = || Reason::new("the topic, or the partition, does not exist");
    let topic = metadata
        .topics
        .iter()
        .find(|it| it.topic == partition.topic);
    let topic = topic.ok_or_else(gone)?;
    let partitions = match &topic.partitions {
        Ok(partitions) => partitions,
        Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => return Err(gone()),
        Err(code) => return Err(reason(*code)),
    };
    let found = partitions
        .iter()
        .find(|it| it.partition == partition.partition);
    let leader = found.ok_or_else(gone)?.leader;
    let leader = leader.ok_or_else(|| Reason::new("the partition has no leader"))?;
    Ok((leader, topic.id))
}

pub(super) fn retention(configs: &Configs) -> Known<Retention> {
    let value = |key: &str| match configs.get(key).map(|it| &it.value) {
        Some(ConfigValue::Known(value)) => Ok(value.clone()),
        _ => Err(Reason::new(format!("the brokers do not tell {key}"))),
    };
    // -1 is no limit.
    let limit = |key: &str| {
        let value = value(key)?;
        match value.parse::<i64>() {
            Ok(limit) => Ok(u64::try_from(limit).ok()),
            Err(_) => Err(Reason::new(format!("{key} is `{value}`"))),
        }
    };
    let policy = value("cleanup.policy")?;
    let has = |wanted| policy.split(',').any(|it| it.trim() == wanted);
    Ok(Retention {
        deletes: has("delete"),
        compacts: has("compact"),
        ms: limit("retention.ms")?,
        bytes: limit("retention.bytes")?,
    })
}
