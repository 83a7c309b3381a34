//! The events that a scenario tests, which must happen before its claims mean anything:
//! named by the scenario, or implied by its settings. Knows nothing of how they are
//! observed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Config, Scenario, Topic, Transactions};

/// A `retention.ms` below this is set only to see records deleted: in production it is
/// hours at least.
const RETENTION_SHORT_MS: u64 = 600_000;
/// A `retention.bytes` of the same kind.
const RETENTION_SMALL_BYTES: u64 = 16 * 1024 * 1024;

/// Something that may have to happen.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum OccurrenceKind {
    /// Compaction took records out of a log.
    Compaction,
    /// Retention deleted the beginning of a log.
    Deletion,
    /// A transaction was ended: its marker stands in a log.
    Transaction,
    /// A transaction was aborted: its marker stands in a log.
    Abort,
    /// A partition went from one member of a group to another.
    Rebalance,
    /// A partition got another leader.
    LeaderChange,
    /// A partition had fewer replicas in sync than before.
    IsrShrink,
    /// A producer's client sent something again.
    Retry,
}

impl OccurrenceKind {
    /// All of them.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// As scenario files name it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The event in words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Compaction => "compaction takes records out of a log",
            Self::Deletion => "retention deletes the beginning of a log",
            Self::Transaction => "a transaction is ended, and its marker stands in a log",
            Self::Abort => "a transaction is aborted, and its marker stands in a log",
            Self::Rebalance => "a partition goes from one member of a group to another",
            Self::LeaderChange => "a partition gets another leader",
            Self::IsrShrink => "a replica falls out of sync",
            Self::Retry => "a producer's client sends something again",
        }
    }
}

impl fmt::Display for OccurrenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An event that must happen, and its topic, where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The kind of event.
    pub kind: OccurrenceKind,
    /// The topic; any where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

impl Occurrence {
    fn to(topic: &str, kind: OccurrenceKind) -> Self {
        Self {
            kind,
            topic: Some(topic.to_owned()),
        }
    }
}

impl fmt::Display for Occurrence {
    /// The consequence where it did not happen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic.as_deref().unwrap_or("any topic");
        let nothing = match self.topic {
            Some(_) => "",
            None => "nothing of ",
        };
        match self.kind {
            OccurrenceKind::Compaction => write!(
                f,
                "compaction took nothing out of {topic}: every offset still has its record"
            ),
            OccurrenceKind::Deletion => {
                write!(f, "retention deleted {nothing}{topic}: nothing is gone")
            }
            OccurrenceKind::Transaction => write!(f, "no transaction was ended in {topic}"),
            OccurrenceKind::Abort => write!(f, "no transaction was aborted in {topic}"),
            OccurrenceKind::Rebalance => {
                f.write_str("no partition went from one member of a group to another")
            }
            OccurrenceKind::LeaderChange => f.write_str("no partition got another leader"),
            OccurrenceKind::IsrShrink => f.write_str("no replica fell out of sync"),
            OccurrenceKind::Retry => f.write_str("no client sent anything again"),
        }
    }
}

impl Scenario {
    /// The events that must happen: those that the scenario names, or else those that its
    /// settings imply.
    ///
    /// - A topic that compacts has to be compacted.
    /// - A topic with a retention that no production topic has, or that is smaller than the
    ///   data sent to it, has to lose its beginning.
    /// - A transform with transactions has to end one.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        if let Some(named) = &self.must_happen {
            let any = |kind: &OccurrenceKind| Occurrence {
                kind: *kind,
                topic: None,
            };
            return named.iter().map(any).collect();
        }
        let mut all = Vec::new();
        for topic in &self.topics {
            let policy = self.setting(topic, "cleanup.policy", "log.cleanup.policy");
            let policy = policy.unwrap_or("delete");
            if policy.contains("compact") {
                all.push(Occurrence::to(&topic.name, OccurrenceKind::Compaction));
            }
            if policy.contains("delete") && self.is_about_retention(topic) {
                all.push(Occurrence::to(&topic.name, OccurrenceKind::Deletion));
            }
        }
        for transform in &self.transforms {
            let ended = Occurrence::to(&transform.to, OccurrenceKind::Transaction);
            if transform.transactions == Transactions::On && !all.contains(&ended) {
                all.push(ended);
            }
        }
        all
    }

    /// A topic's setting, or the brokers' for all topics.
    fn setting<'s>(&'s self, topic: &'s Topic, key: &str, of_broker: &str) -> Option<&'s str> {
        let set = |config: &'s Config, key: &str| config.get(key).map(|value| value.trim());
        set(&topic.config, key).or_else(|| set(&self.topology.config, of_broker))
    }

    fn is_about_retention(&self, topic: &Topic) -> bool {
        let limit =
            |key, of_broker| -> Option<u64> { self.setting(topic, key, of_broker)?.parse().ok() };
        let kept_ms = limit("retention.ms", "log.retention.ms");
        let kept_bytes = limit("retention.bytes", "log.retention.bytes");
        let sent = self.producers.iter().map(|it| {
            it.records_to(&topic.name)
                .saturating_mul(it.record_bytes.into())
        });
        let partitions = u64::from(topic.partitions.unsigned_abs().max(1));
        let sent_bytes = sent.sum::<u64>() / partitions;
        kept_ms.is_some_and(|ms| ms < RETENTION_SHORT_MS)
            || kept_bytes.is_some_and(|it| it < RETENTION_SMALL_BYTES.max(sent_bytes))
    }
}
