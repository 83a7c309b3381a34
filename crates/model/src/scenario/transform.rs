//! Applications that read and write, as a scenario has them. Knows nothing of
//! how they do it.

use serde::{Deserialize, Serialize};

use super::Config;

/// An application that makes one record of each that it reads, and sends it to
/// another topic. It is a consumer group too, of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How many members.
    #[serde(default = "one_member")]
    pub members: u32,
    /// How many records each processes in a second.
    pub records_per_s: u32,
    /// A member commits after it has processed this many records, when it has
    /// nothing to read for a while, and when it stops cleanly.
    pub commit_every_records: u64,
    /// Whether what is made takes effect in one transaction with the position.
    pub transactions: Transactions,
    /// Bytes of each value that it sends.
    pub record_bytes: u32,
    /// The consumer's configuration, in the Java client's names. `{member}` in
    /// a value stands for the member's number in the group.
    #[serde(default)]
    pub config: Config,
    /// The producer's.
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
