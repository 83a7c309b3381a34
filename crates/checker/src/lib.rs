//! Pure: events in, findings out; findings, contract and evidence in, verdict
//! out. Knows nothing of Kafka clients, processes, files or clocks: tests of it
//! need none of them, and a history gives the same verdict years later.
//!
//! # How a history is read
//!
//! The *truth* is what the observer read after the traffic: every partition
//! from its log start to an end that was pinned first. A partition is *read*
//! when it was pinned and read to that end, a topic when all its partitions
//! are. Every claim is held against the truth, and where
//! there is none, nothing is called wrong: absence of proof becomes doubt, and
//! the [judge](judge()) says INCONCLUSIVE.
//!
//! # How each anomaly is found
//!
//! Acknowledgements against the log:
//!
//! - *lost-write*: a record was acknowledged, its topic was read, and it
//!   stands nowhere in it. That the application was told success counts, with
//!   an offset or without. An acknowledgement above the pinned end counts: the
//!   log moved back. One below the log start does not: retention may have
//!   taken the record, so it is counted apart, and is unknown. Neither
//!   does one inside the range of a topic that compacts, where a later record
//!   of its key stands behind it, or keys are not known (`log/cleaning.rs`). Neither
//!   does one at whose offset a damaged record stands: that is *corrupt*.
//! - *duplicate*: a record stands at two or more places; each beyond the first
//!   counts. So does each record beyond the first that a group made of one and
//!   that is visible (`derived.rs`).
//! - *nonmonotonic-send*: of each record's first copy in a partition, in the
//!   order of offsets, those count that stand behind a record which the same
//!   producer sent later; *int-nonmonotonic-send* where both were sent in one
//!   transaction.
//! - *inconsistent-offsets*: records whose place is contradicted; each counts
//!   once. It was acknowledged at an offset at which it does not stand, though
//!   it stands elsewhere; or it was read where the log holds another, though it
//!   stands elsewhere and the log was not cut (`log/past.rs`).
//! - *phantom*: an offset at which a record was seen of another run, of
//!   another topic, or (once all sending is on record) one that was never sent.
//! - *corrupt*: an offset at which a damaged record was seen, or a damaged
//!   row image.
//! - *failed-write-visible*: a record was reported as certainly not written
//!   and stands in the log. An unknown outcome is never wrong.
//!
//! Readers and groups. What a group has processed is known by the record's
//! identity; an offset is its place at that time, and is used again when a log
//! is lost, cut or made again. What stands is held against what stands:
//!
//! - *poll-skip*: between two records that stand, and that a member processed
//!   one after the other in one assignment, each data record of the log.
//! - *nonmonotonic-poll*: a record not behind the one that the member processed
//!   before it in the same assignment.
//! - *group-gap*: a record below the highest position that the group is known
//!   to have committed in this life of the log, or starts from, and that none of
//!   its members processed; or, of a group that makes a record of each, of which
//!   nothing that it made took effect.
//!   Below the log start, where nothing can be read any more, a record is known
//!   by its acknowledgement.
//! - *group-incomplete*: a record from there to the pinned end that none
//!   processed, although the group was given the time; not one that the group
//!   was still coming to, nor one that its client cannot read (`groups/waits.rs`).
//! - *reprocessed*: each time beyond the first that a group processed a
//!   record, or an offset whose record has no identity.
//! - *commit-regression*: an accepted commit below the member's own last one,
//!   or below what was committed when it was given the partition; and a final
//!   position below the last accepted commit. Where the earlier one was made
//!   behind a record that is gone, the log went back, and not the group.
//!
//! What readers do inside one transaction is *int-poll-skip* and
//! *int-nonmonotonic-poll*, and what they process there counts only if it
//! commits. What a group that reads committed records only must not be given
//! is expected of none of its members.
//!
//! What an application of the user's did, by the records that it should have done something
//! of: *effect-lost*, *effect-duplicate*, *effect-phantom* and *effect-order* (`effects.rs`).
//!
//! The cluster and its transactions, each in a file of its own whose first
//! comment defines it: *log-truncation* (`cluster/truncation.rs`), *replica-divergence*
//! (`cluster/replicas.rs`), *zombie-processing* (`groups/zombies.rs`), *G1a* and
//! *precommitted-read* (`txn/read_committed.rs`), *torn-transaction* and *int-send-skip*
//! (`txn/atomicity.rs`), *G0* and *G1c* (`txn/cycles.rs`). What became of a transaction is
//! settled in `txn/outcomes/settle.rs`.
//!
//! Where another tool recorded the history, what the readers were given stands
//! for the truth (`log/ledger/imported.rs`), *unseen* is what lies above it, and
//! [`expect`] judges without a plan. An acknowledgement names a place as well as
//! a reading does (`log/ledger/imported_places.rs`), a group's gap is also what it committed past
//! and did not read, and what a later record of its key may have replaced is
//! excused (`Body::Replaceable`).
//!
//! Change data capture, row by row; changes are numbered in the writer's
//! order, and a delete, which carries no number, is told by its place:
//!
//! - *row-missing*: a change is committed, no event comes any more, the topic
//!   was read, and no event tells of it. What a snapshot found overwritten
//!   needs none. `rows/row_changes.rs` says how it is known that none comes.
//! - *row-duplicate*: each event of a change beyond its first.
//! - *row-phantom*: an event for a change that was never made to this row, or that
//!   was rolled back. A transaction of unknown outcome is settled by the rows
//!   it left, or left alone.
//! - *commit-order*: the first event of a change behind that of a later change
//!   of the row, or with an earlier place in the write-ahead log.
//! - *state-divergence*: a row whose last event is not what the table holds. A
//!   row that the table does not hold as the database itself confirmed it is
//!   no anomaly of Kafka's, and a doubt.
//!
//! # How it is built
//!
//! One reading settles a healthy history, in bits and fingerprints rather than
//! operations; two where records were made of others, because which of these
//! are visible is known only at the end of the first. Whatever is not as in a healthy history is settled by further
//! readings, each in bounded memory; see [`Limits`]. Then another collects the
//! operations that prove the examples, finds out at which hop of the pipeline
//! each lost record was lost, and learns where mutants can be planted. The last
//! read the history with the mutants in it, which must all be found.
//! [`examine`] does all of it; [`judge`](judge()) makes verdicts.
//!
//! Each analysis is an `Analyzer` (`analyzer.rs`) in a file of its own and
//! a line of the list in `passes/analyzers.rs`. What all of them may ask is in
//! `context.rs`, which is shown each event first.
//!
//! Where there are cores for it, what finds and what measures have a thread
//! each ([`Lanes`]), and read the history each for itself.
//!
//! What the checker relies on is asserted there, in release builds too. Where an
//! assertion does not hold, the scenario is INCONCLUSIVE with its text
//! (`invariants.rs`).

mod alerts;
mod analysis;
mod analyzer;
mod calibration;
mod cluster;
mod context;
mod course;
mod derived;
mod effects;
mod finding;
mod groups;
mod invariants;
mod limits;
mod log;
mod measure;
mod names;
mod passes;
mod proof;
mod provenance;
mod rows;
mod sets;
mod txn;
mod verdict;

pub use alerts::{ActiveAlert, AlertCoverage, Gap, WatchedGroup};
pub use analysis::{Analysis, Completeness, Coverage};
pub use cluster::replicas::ReplicaCoverage;
pub use cluster::truncation::TruncationCoverage;
pub use course::course;
pub use derived::DerivationCoverage;
pub use effects::EffectCoverage;
pub use groups::coverage::GroupCoverage;
pub use groups::zombies::ZombieCoverage;
pub use invariants::guarded;
pub use limits::{BlockSize, Limits};
pub use measure::happened::Occurrences;
pub use measure::{FaultRecord, GroupActivity, ReadsMet, TrafficMet};
pub use passes::driver::{Checker, Pass};
pub use passes::examine::{check, check_in, examine, examine_in};
pub use passes::parallel::{Concurrency, Lanes};
pub use proof::explain::{Examples, Explainer};
pub use rows::coverage::CaptureCoverage;
pub use txn::atomicity::TransactionCoverage;
pub use txn::cycles::CycleCoverage;
pub use txn::read_committed::IsolationCoverage;
pub use verdict::expectation::{
    Expectation, ExpectationVerdict, Sends, Weight, expect, expect_sends, unacknowledged,
};
pub use verdict::judge::judge;
