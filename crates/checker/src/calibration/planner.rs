//! Chooses what is planted where: each mutation on targets of its own, those that
//! find no target left in a further pass. Knows nothing of how the survey found
//! them.

mod cluster;
mod derived;
mod effects;
mod groups;
mod records;
mod rows;
mod transactions;

use std::collections::{BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::ids::{GroupIx, Offset, PartitionRef, RecordId, RowKey, TableIx, TransactionRef};

use crate::calibration::mutants::{MutantPass, Mutants, Mutation};
use crate::calibration::survey::{READINGS_MAX, Survey};
use crate::calibration::traces::{Reading, RecordTrace};
use crate::log::targets::Target;

/// Planted only in a history that has none: other mutations may take out one
/// that it has, whose claim is contradicted anyway.
const ONLY_WHERE_THERE_IS_NONE: [Anomaly; 6] = [
    Anomaly::LogTruncation,
    Anomaly::ZombieProcessing,
    Anomaly::G1a,
    Anomaly::PrecommittedRead,
    Anomaly::TornTransaction,
    Anomaly::G1c,
];

impl Survey {
    /// Chooses what to plant where. Anomalies that this history offers no
    /// place for are left out.
    pub(crate) fn plan(mut self) -> Mutants {
        let mut remaining = std::mem::take(&mut self.wanted);
        let mut passes = Vec::new();
        while !remaining.is_empty() {
            let mut pass = Planner {
                survey: &self,
                used_records: BTreeSet::new(),
                used_rows: BTreeSet::new(),
                used_commits: BTreeSet::new(),
                used_transactions: BTreeSet::new(),
                commits_lowered: false,
                thinned: false,
                skipped: false,
                planned: 0,
                fresh_taken: HashMap::new(),
            };
            // A circle needs the very records between which it leads.
            let (circles, others): (Vec<&Anomaly>, Vec<&Anomaly>) = remaining
                .iter()
                .partition(|anomaly| **anomaly == Anomaly::G1c);
            let mutations: Vec<Mutation> = circles
                .into_iter()
                .chain(others)
                .filter_map(|anomaly| {
                    let mutation = pass.plan(*anomaly)?;
                    pass.planned += 1;
                    Some(mutation)
                })
                .collect();
            if mutations.is_empty() {
                break;
            }
            for mutation in &mutations {
                remaining.remove(&mutation.anomaly);
            }
            passes.push(MutantPass::new(mutations));
        }
        Mutants {
            passes,
            baseline: self.baseline,
        }
    }
}

/// Chooses targets that no other mutation of the same pass touches.
struct Planner<'s> {
    survey: &'s Survey,
    used_records: BTreeSet<RecordId>,
    used_rows: BTreeSet<(TableIx, RowKey)>,
    used_commits: BTreeSet<(GroupIx, PartitionRef)>,
    used_transactions: BTreeSet<TransactionRef>,
    /// Whether commits were lowered, which may undo a regression that the
    /// history already had.
    commits_lowered: bool,
    /// Whether a record was taken out of the log, or a skip was planted: where
    /// the history has skips already, the former may undo one.
    thinned: bool,
    skipped: bool,
    /// How much was planned in this pass.
    planned: usize,
    fresh_taken: HashMap<PartitionRef, i64>,
}

impl<'s> Planner<'s> {
    fn plan(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        if ONLY_WHERE_THERE_IS_NONE.contains(&anomaly) && !self.survey.found_none(anomaly) {
            return None;
        }
        match anomaly {
            Anomaly::LostWrite => self.lost_write(),
            Anomaly::Duplicate => {
                let derived = self.derived_twice();
                Mutation::both(self.duplicate(), derived)
            }
            Anomaly::NonmonotonicSend | Anomaly::IntNonmonotonicSend => {
                self.nonmonotonic_send(anomaly)
            }
            Anomaly::InconsistentOffsets => self.inconsistent_offsets(),
            Anomaly::Phantom => self.phantom(),
            Anomaly::Corrupt => self.corrupt().or_else(|| self.corrupt_event()),
            Anomaly::FailedWriteVisible => self.failed_write_visible(),
            Anomaly::PollSkip
            | Anomaly::NonmonotonicPoll
            | Anomaly::IntPollSkip
            | Anomaly::IntNonmonotonicPoll => self.swapped_poll(anomaly),
            Anomaly::GroupGap => {
                let derived = self.nothing_derived();
                Mutation::both(self.group_gap(), derived)
            }
            Anomaly::Reprocessed => self.reprocessed(),
            Anomaly::GroupIncomplete => self.group_incomplete(),
            Anomaly::CommitRegression => self
                .commit_regression()
                .or_else(|| self.joined_commit_regression()),
            Anomaly::LogTruncation => self.log_truncation(),
            Anomaly::ReplicaDivergence => self.replica_divergence(),
            Anomaly::ZombieProcessing => self.zombie_processing(),
            Anomaly::G1a => self.aborted_read(),
            Anomaly::PrecommittedRead => self.precommitted_read(),
            Anomaly::TornTransaction => self.torn_transaction(),
            Anomaly::G1c => self.circle(),
            Anomaly::RowMissing => self.row_missing(),
            Anomaly::RowDuplicate => self.row_duplicate(),
            Anomaly::RowPhantom => self.row_phantom(),
            Anomaly::CommitOrder => self.commit_order(),
            Anomaly::StateDivergence => self.state_divergence(),
            Anomaly::EffectLost => self.effect_lost(),
            Anomaly::EffectDuplicate => self.effect_duplicate(),
            Anomaly::EffectPhantom => self.effect_phantom(),
            Anomaly::EffectOrder => self.effect_order(),
            // No claim rests on these: nothing is unseen where an observer read
            // the truth, and Kafka promises nothing against the other two.
            Anomaly::Unseen | Anomaly::G0 | Anomaly::IntSendSkip => None,
        }
    }

    /// The first unused record that was told of and stored once and is fit.
    pub(super) fn record(&mut self, fit: impl Fn(&RecordTrace) -> bool) -> Option<&'s RecordTrace> {
        let trace = self.survey.records.iter().find(|trace| {
            trace.completed.len() == 1
                && trace.stored.len() == 1
                && self.is_free(trace)
                && fit(trace)
        })?;
        self.used_records.insert(trace.target.record);
        Some(trace)
    }

    /// Whether what is done to it disturbs no other mutant, and no other record.
    fn is_free(&self, trace: &RecordTrace) -> bool {
        !trace.contested && !self.used_records.contains(&trace.target.record)
    }

    fn name(&self, trace: &RecordTrace) -> String {
        let Target {
            partition,
            offset,
            record,
        } = trace.target;
        format!(
            "{record} at {}@{offset}",
            self.survey.names.partition(partition)
        )
    }

    /// An offset of the partition at which nothing stands.
    pub(super) fn fresh(&mut self, partition: PartitionRef) -> Offset {
        let taken = self.fresh_taken.entry(partition).or_default();
        *taken += 1;
        let fresh = self.survey.fresh.get(&partition).copied();
        Offset::new(fresh.unwrap_or_default().get().saturating_add(*taken))
    }

    /// Whether every group of the record's topic read it: taking it out then
    /// disturbs no group.
    fn read_by_all(&self, trace: &RecordTrace) -> bool {
        let mut groups = self.survey.names.groups.iter();
        groups.all(|(ix, group)| {
            !group.topics.contains(&trace.target.partition.topic)
                || trace.readings.iter().any(|reading| {
                    reading.group == *ix && self.survey.counts(trace.target, reading)
                })
        })
    }

    /// Whether a record that is taken out of the log is lost, and disturbs no
    /// group: compaction might have taken it.
    fn can_be_lost(&self, trace: &RecordTrace) -> bool {
        let topic = trace.target.partition.topic;
        self.read_by_all(trace) && !self.survey.names.compacts(topic)
    }

    /// The only reading of a record by some group.
    fn only_reading(
        &mut self,
        fit: impl Fn(&RecordTrace, &Reading) -> bool,
    ) -> Option<(&'s RecordTrace, &'s Reading)> {
        let found = self
            .survey
            .records
            .iter()
            .filter(|trace| self.is_free(trace) && trace.readings.len() < READINGS_MAX)
            .find_map(|trace| {
                let reading = trace.readings.iter().find(|reading| {
                    let of_group = trace
                        .readings
                        .iter()
                        .filter(|other| other.group == reading.group);
                    of_group.count() == 1
                        && !reading.behind_gone
                        && !self.survey.excusable.limited.contains(&reading.group)
                        && self.survey.counts(trace.target, reading)
                        && fit(trace, reading)
                })?;
                Some((trace, reading))
            })?;
        self.used_records.insert(found.0.target.record);
        Some(found)
    }

    /// Marks the records at the given offsets as used.
    fn use_neighbours(&mut self, of: PartitionRef, offsets: &[Option<Offset>]) {
        for offset in offsets.iter().flatten() {
            if let Some(trace) = self.survey.by_position.get(&(of, *offset)) {
                let record = self.survey.records[*trace].target.record;
                self.used_records.insert(record);
            }
        }
    }
}
