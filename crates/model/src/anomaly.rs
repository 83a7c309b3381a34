//! The catalogue of what can go wrong: names and meanings, nothing about how
//! they are found. Jepsen's names where its Kafka workload defines one.

use serde::{Deserialize, Serialize};

macro_rules! catalogue {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// Something wrong that a checker can find in a history.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Anomaly {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Anomaly {
            /// Every anomaly, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that findings, reports and documentation use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

catalogue! {
    LostWrite "lost-write"
        "A record was acknowledged, its offset lies inside the range that was read, and the record is not there."
    Unseen "unseen"
        "A record was acknowledged above everything that anybody read, and no later read settles whether it is stored."
    Duplicate "duplicate"
        "One record is stored at two or more offsets."
    NonmonotonicSend "nonmonotonic-send"
        "One producer's records are stored in one partition in another order than they were sent."
    InconsistentOffsets "inconsistent-offsets"
        "Two records stand at, or were acknowledged at, one offset, or an acknowledgement names another offset than the log."
    LogTruncation "log-truncation"
        "A partition's end moved back behind records that had been there."
    ReplicaDivergence "replica-divergence"
        "Two replicas of a partition differ below the high watermark."
    Phantom "phantom"
        "A record is stored or was read that nobody sent there."
    Corrupt "corrupt"
        "A record's checksum, size or padding is wrong."
    FailedWriteVisible "failed-write-visible"
        "A record was reported as certainly not written, and it is stored."
    PollSkip "poll-skip"
        "Within one assignment a reader jumped over records that exist."
    NonmonotonicPoll "nonmonotonic-poll"
        "Within one assignment a reader went back."
    GroupGap "group-gap"
        "A group's committed position passed a record that none of its members processed."
    Reprocessed "reprocessed"
        "A group processed a record more than once."
    GroupIncomplete "group-incomplete"
        "A group stopped short of the end although it was given the time."
    CommitRegression "commit-regression"
        "A group's committed offset went back without a reset."
    ZombieProcessing "zombie-processing"
        "A member processed or committed after its partition was taken from it."
    G1a "G1a"
        "A read_committed reader was given a record of an aborted transaction."
    PrecommittedRead "precommitted-read"
        "A read_committed reader was given a record before its transaction was committed."
    TornTransaction "torn-transaction"
        "Part of one transaction's records became visible, and part never."
    G0 "G0"
        "Transactions overwrite one another in a circle: their records stand in different orders in different partitions."
    G1c "G1c"
        "Transactions depend on one another in a circle of writes and reads."
    IntPollSkip "int-poll-skip"
        "Within one transaction a reader jumped over records that exist."
    IntNonmonotonicPoll "int-nonmonotonic-poll"
        "Within one transaction a reader went back."
    IntSendSkip "int-send-skip"
        "Within one transaction a producer's records in a partition have others' records between them."
    IntNonmonotonicSend "int-nonmonotonic-send"
        "Within one transaction a producer's records are stored in another order than they were sent."
    RowMissing "row-missing"
        "A committed row change has no event."
    RowDuplicate "row-duplicate"
        "One committed row change has two or more events."
    RowPhantom "row-phantom"
        "There is an event for a row change that never committed."
    CommitOrder "commit-order"
        "Events of one row are out of the order in which its changes were committed."
    StateDivergence "state-divergence"
        "Replaying the change topic by key does not give the table."
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
