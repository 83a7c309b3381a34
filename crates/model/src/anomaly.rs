//! The catalogue of anomalies: one file for each, with its definition in words, a history
//! that shows it and one that does not. Knows nothing of how they are found. Jepsen's names
//! where its Kafka workload defines one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The full definition of an anomaly: `ackproof explain` prints it, reports quote it, and
/// the checker's tests use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name that findings, reports and documentation use.
    pub name: &'static str,
    /// The meaning, in one sentence.
    pub meaning: &'static str,
    /// The exact definition, and how instances are counted.
    pub definition: &'static str,
    /// Similar cases that do not count, and cases that cannot be decided.
    pub excludes: &'static [&'static str],
    /// Jepsen's name, where its Kafka workload has one.
    pub jepsen: Option<&'static str>,
    /// Settings and limits that permit it.
    pub permitted_by: &'static [Fact],
    /// Settings that prevent it.
    pub prevented_by: &'static [Fact],
    /// A smallest history that shows it, exactly once.
    pub history: &'static str,
    /// What the same history shows besides, because one cannot be without the
    /// other; each once.
    pub found_too: &'static [Anomaly],
    /// A history as like it as can be, in which nothing is wrong.
    pub twin: &'static str,
}

/// Something that is so of Kafka or what stands around it, and where that is
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The fact.
    pub what: &'static str,
    /// A KIP, or a section of the documentation.
    pub source: &'static str,
}

/// A fact with its source.
const fn fact(what: &'static str, source: &'static str) -> Fact {
    Fact { what, source }
}

macro_rules! catalogue {
    ($($variant:ident $module:ident)*) => {
        $(mod $module;)*

        /// Something wrong that a checker can find in a history.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Anomaly {
            $(#[doc = concat!("Defined in `anomaly/", stringify!($module), ".rs`.")] $variant,)*
        }

        impl Anomaly {
            /// Every anomaly, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// All that there is to say of it.
            pub const fn definition(self) -> &'static Definition {
                match self { $(Self::$variant => &$module::DEFINITION),* }
            }
        }
    };
}

catalogue! {
    LostWrite lost_write
    Unseen unseen
    Duplicate duplicate
    NonmonotonicSend nonmonotonic_send
    InconsistentOffsets inconsistent_offsets
    LogTruncation log_truncation
    ReplicaDivergence replica_divergence
    Phantom phantom
    Corrupt corrupt
    FailedWriteVisible failed_write_visible
    PollSkip poll_skip
    NonmonotonicPoll nonmonotonic_poll
    GroupGap group_gap
    Reprocessed reprocessed
    GroupIncomplete group_incomplete
    CommitRegression commit_regression
    ZombieProcessing zombie_processing
    G1a g1a
    PrecommittedRead precommitted_read
    TornTransaction torn_transaction
    G0 g0
    G1c g1c
    IntPollSkip int_poll_skip
    IntNonmonotonicPoll int_nonmonotonic_poll
    IntSendSkip int_send_skip
    IntNonmonotonicSend int_nonmonotonic_send
    RowMissing row_missing
    RowDuplicate row_duplicate
    RowPhantom row_phantom
    CommitOrder commit_order
    StateDivergence state_divergence
    EffectLost effect_lost
    EffectDuplicate effect_duplicate
    EffectPhantom effect_phantom
    EffectOrder effect_order
}

impl Anomaly {
    /// The name that findings, reports and documentation use.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// The meaning, in one sentence.
    pub const fn meaning(self) -> &'static str {
        self.definition().meaning
    }

    /// The anomaly of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Anomaly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Anomaly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("there is no anomaly `{name}`")))
    }
}
