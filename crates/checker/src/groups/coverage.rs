//! How much of a group's reading could be checked, and what it came to.

/// What settling a group came to, apart from findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCoverage {
    /// Its `group.id`.
    pub name: String,
    /// Records in its topics, inside the pinned range.
    pub stored: u64,
    /// Of these, how many lie below its committed position.
    pub below_committed: u64,
    /// Records of its topics, inside the pinned range, that it processed.
    pub distinct: u64,
    /// Records processed, repetitions included.
    pub processed: u64,
    /// Records processed again (extra times).
    pub reprocessed: u64,
    /// Of these, how many were processed at another offset than before,
    /// because the log held them twice.
    pub copies: u64,
    /// Records below its committed position that it did not process.
    pub gaps: u64,
    /// Of these, how many lie below the log start: acknowledged, and deleted
    /// before the group came to them.
    pub gaps_expired: u64,
    /// Of these, how many a member processed without effect: its transaction
    /// was not committed, or what was made of the record is not there.
    pub gaps_in_vain: u64,
    /// Records from its committed position on that it did not process.
    pub behind: u64,
    /// Of these, how many a member processed without effect.
    pub behind_in_vain: u64,
    /// Records from its committed position on that were acknowledged, and
    /// deleted before it came to them.
    pub behind_expired: u64,
    /// Offsets below the log start of which it is unknown whether a record
    /// stood there that it was to be given.
    pub unknown: u64,
    /// Whether it was given the time to finish.
    pub waited: bool,
    /// Commits that the coordinator accepted.
    pub commits: u64,
    /// Polls that followed another in the same assignment.
    pub steps: u64,
    /// Records that it processed in a transaction of unknown outcome.
    pub unsettled: u64,
    /// Of a group that writes, of how many records it made something that took
    /// effect.
    pub made: Option<u64>,
    /// Records below its committed position that it did not process, and that
    /// compaction may have taken before, where it is unknown how the topic is
    /// cleaned.
    pub replaceable: u64,
    /// Records behind a transaction that was never closed, which a group that
    /// reads committed records only is not given.
    pub unstable: u64,
    /// Records that it was still to come to when its time was up, as it was
    /// reading on.
    pub to_come: u64,
    /// Records that it had not processed when its time was up, most of which
    /// faults had taken.
    pub hindered: u64,
    /// Records that it did not process and that its members' clients cannot
    /// read, or are not allowed to.
    pub beyond_client: u64,
    /// Of these clients, what the first reported.
    pub client_limit: Option<String>,
}
