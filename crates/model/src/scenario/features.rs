//! Features of a cluster (KIP-584): protocols and behaviours that all of its
//! brokers have at one level, which is part of what a log directory is formatted
//! with. Knows nothing of how that is done.

use std::collections::BTreeMap;

/// Levels of features, by Kafka's names for them. 0 is off.
pub type Features = BTreeMap<String, i16>;

/// A feature that a scenario can set. Levels and releases are what Kafka's
/// storage tool says of itself (`kafka-storage.sh version-mapping`).
///
/// `metadata.version` is not among them: it is the release itself. Nor is
/// `kraft.version`, of which the quorum that ackproof starts has level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaFeature {
    /// Kafka's name.
    pub name: &'static str,
    /// The first release line whose brokers know it.
    pub since: (u32, u32),
    /// The highest level that there is.
    pub level_max: i16,
    /// What it decides.
    pub(crate) meaning: &'static str,
}

/// The features that a scenario can set.
pub const FEATURES: [KafkaFeature; 3] = [
    KafkaFeature {
        name: "eligible.leader.replicas.version",
        since: (4, 0),
        level_max: 1,
        meaning: "1: a replica that left the ISR when it had `min.insync.replicas` members may \
                  still be elected, and one that ended uncleanly may not (KIP-966).",
    },
    KafkaFeature {
        name: "group.version",
        since: (4, 0),
        level_max: 1,
        meaning: "1: groups of the consumer protocol (KIP-848).",
    },
    KafkaFeature {
        name: "transaction.version",
        since: (4, 0),
        level_max: 2,
        meaning: "2: every transaction has an epoch of its own (KIP-890); 1: the records of the \
                  transaction log have flexible fields; 0: the protocol of KIP-98.",
    },
];

/// The first of these features that a release line does not know.
pub(crate) fn first_unknown(features: &Features, line: (u32, u32)) -> Option<KafkaFeature> {
    FEATURES
        .into_iter()
        .find(|it| line < it.since && features.contains_key(it.name))
}
