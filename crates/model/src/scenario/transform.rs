//! Applications that read and write, as a scenario has them. Knows nothing of
//! how they do it.

use serde::{Deserialize, Serialize};

use super::Config;
use super::client::ClientSpec;

/// An application that makes one record of each that it reads, and sends it to
/// another topic. It is a consumer group too, of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "transform"))]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// Its `group.id`, and the beginning of its members' `transactional.id`:
    /// `NAME-1`, `NAME-2`, …, so that a member that is started again fences
    /// what it was before.
    pub name: String,
    /// The topic it reads.
    pub from: String,
    /// The topic it writes.
    pub to: String,
    /// How many members, numbered from 1, each a process of its own.
    #[serde(default = "one_member")]
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub members: u32,
    /// How many records each member processes in a second.
    #[cfg_attr(test, schemars(range(min = 1, max = u32::MAX)))]
    pub records_per_s: u32,
    /// A member commits after it has processed this many records, when it has
    /// nothing to read for a while, and when it stops cleanly.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub commit_every_records: u64,
    /// Whether the records that it sends take effect in one transaction with
    /// the position, or are sent first and the position committed afterwards.
    #[cfg_attr(test, schemars(with = "bool"))]
    pub transactions: Transactions,
    /// What a member waits for before it commits a position; only without
    /// transactions.
    #[serde(default)]
    pub commit_when: CommitWhen,
    /// Bytes of each value that it sends: at least 96 and the name of the topic
    /// that it writes.
    #[cfg_attr(test, schemars(range(min = crate::record::OVERHEAD_BYTES_MAX + 1, max = 900_000)))]
    pub record_bytes: u32,
    /// The members' client, which reads and writes, as a producer's.
    #[serde(default)]
    pub client: ClientSpec,
    /// Consumer configuration, in the Java client's names. Values are strings.
    /// `{member}` stands for the member's number.
    #[serde(default)]
    pub config: Config,
    /// Producer configuration, in the Java client's names. Values are strings.
    #[serde(default)]
    pub producer_config: Config,
}

const fn one_member() -> u32 {
    1
}

/// Whether an application uses transactions. `true` or `false` in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Transactions {
    /// Records and position take effect together, or not at all.
    On,
    /// Records are sent and acknowledged, and then the position is committed.
    Off,
}

/// What a member that writes without transactions waits for before it commits a
/// position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum CommitWhen {
    /// Every record that it sent has its outcome.
    #[default]
    Acknowledged,
    /// The client's own `flush` has returned, whatever the outcomes.
    Flushed,
}

impl From<bool> for Transactions {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl From<Transactions> for bool {
    fn from(transactions: Transactions) -> Self {
        transactions == Transactions::On
    }
}
