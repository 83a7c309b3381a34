//! Proof of examples: a second reading of a history collects the operations
//! that concern each suspect of the first. Knows nothing of how suspects were
//! found.
//!
//! The first reading keeps bits, not operations, so that its memory does not
//! grow with the proof; most histories have no suspects and need no second.

mod cluster;

use std::collections::{BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, CommitResult, Content, Event, Outcome, RowOp, TxOutcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef, TxId};
use model::verdict::ExampleOperation;

use crate::checker::Analysis;
use crate::finding::{Suspect, Watch};
use crate::roster::Roster;

/// Operations that one example shows, at most.
const OPERATIONS_MAX: usize = 24;
/// Readings among them, at most: a record may be read by many.
const READINGS_MAX: usize = 8;

/// Collects the operations that prove the examples of an analysis.
pub struct Explainer {
    roster: Roster,
    cases: Vec<Case>,
    watched: HashMap<Watch, Vec<usize>>,
    commits_past: HashMap<(GroupIx, PartitionRef), Vec<(Offset, usize)>>,
    transactions: HashMap<TxId, BTreeSet<usize>>,
    pinned: HashMap<PartitionRef, (Offset, Offset)>,
}

struct Case {
    suspect: Suspect,
    operations: Vec<ExampleOperation>,
    readings: usize,
    occupied: BTreeSet<(PartitionRef, Offset)>,
    passed: bool,
}

impl Explainer {
    /// Looks out for what the analysis suspects.
    pub fn new(analysis: &Analysis) -> Self {
        let mut watched: HashMap<Watch, Vec<usize>> = HashMap::new();
        let mut commits_past: HashMap<_, Vec<_>> = HashMap::new();
        for (case, suspect) in analysis.suspects.iter().enumerate() {
            for watch in &suspect.watch {
                if let Watch::CommitPast(group, partition, offset) = watch {
                    let past = commits_past.entry((*group, *partition)).or_default();
                    past.push((*offset, case));
                } else {
                    watched.entry(*watch).or_default().push(case);
                }
            }
        }
        Self {
            roster: analysis.roster.clone(),
            cases: analysis
                .suspects
                .iter()
                .map(|suspect| Case {
                    suspect: suspect.clone(),
                    operations: Vec::new(),
                    readings: 0,
                    occupied: BTreeSet::new(),
                    passed: false,
                })
                .collect(),
            watched,
            commits_past,
            transactions: HashMap::new(),
            pinned: HashMap::new(),
        }
    }

    /// Whether there is nothing to look out for.
    pub fn is_idle(&self) -> bool {
        self.cases.is_empty()
    }

    /// Takes in the next event of the same history.
    pub fn observe(&mut self, event: &Event) {
        if self.is_idle() {
            return;
        }
        let at = Some(event.at);
        match &event.body {
            Body::SendInvoked { record, to } => {
                let cases = self.cases_of(&[Watch::Record(*record)]);
                self.note(&cases, at, |roster| {
                    let what = format!("sent {record} to {}", roster.partition(*to));
                    (format!("p{}", record.producer), what)
                });
            }
            Body::SendCompleted { record, outcome } => {
                let mut watches = vec![Watch::Record(*record)];
                if let Outcome::Acknowledged { at, offset } = outcome {
                    watches.push(Watch::Position(*at, *offset));
                }
                let cases = self.cases_of(&watches);
                self.note(&cases, at, |roster| {
                    let what = match outcome {
                        Outcome::Acknowledged { at, offset } => {
                            let partition = roster.partition(*at);
                            format!("{record} was acknowledged at {partition}@{offset}")
                        }
                        Outcome::Failed { error } => format!("{record} was not written: {error}"),
                        Outcome::Unknown { error } => {
                            format!("{record} may or may not have been written: {error}")
                        }
                    };
                    (format!("p{}", record.producer), what)
                });
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => self.processed(event.at, *member, *from, *offset, content),
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => self.committed(event.at, *member, *partition, *offset),
            Body::GroupOffset {
                group,
                partition,
                offset: Some(offset),
            } => {
                let cases = self.cases_of(&[Watch::CommitOf(*group, *partition, *offset)]);
                self.note(&cases, None, |roster| {
                    let (group, partition) = (roster.group(*group), roster.partition(*partition));
                    observed(format!("{group} stands at {offset} of {partition}"))
                });
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                self.pinned.insert(*partition, (*log_start, *end));
                self.observe_cluster(event);
            }
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                let watches = seen_at(*partition, *offset, content);
                let cases = self.cases_of(&watches);
                for case in &cases {
                    self.cases[*case].occupied.insert((*partition, *offset));
                }
                self.note(&cases, None, |roster| {
                    let partition = roster.partition(*partition);
                    observed(format!("{} stands at {partition}@{offset}", name(content)))
                });
            }
            _ => {
                self.observe_database(event);
                self.observe_cluster(event);
            }
        }
    }

    fn processed(
        &mut self,
        at: Micros,
        member: MemberIx,
        from: PartitionRef,
        offset: Offset,
        content: &Content,
    ) {
        let mut cases = self.cases_of(&seen_at(from, offset, content));
        cases.retain(|case| self.cases[*case].readings < READINGS_MAX);
        for case in &cases {
            self.cases[*case].readings += 1;
        }
        self.note(&cases, Some(at), |roster| {
            let what = format!(
                "processed {} at {}@{offset}",
                name(content),
                roster.partition(from)
            );
            (name_member(roster, member), what)
        });
    }

    fn committed(&mut self, at: Micros, member: MemberIx, partition: PartitionRef, offset: Offset) {
        let Some(group) = self.roster.group_of(member) else {
            return;
        };
        let mut cases = self.cases_of(&[Watch::CommitOf(group, partition, offset)]);
        for (position, case) in self
            .commits_past
            .get(&(group, partition))
            .into_iter()
            .flatten()
        {
            if offset > *position && !self.cases[*case].passed {
                self.cases[*case].passed = true;
                cases.insert(*case);
            }
        }
        self.note(&cases, Some(at), |roster| {
            let what = format!("committed {offset} of {}", roster.partition(partition));
            (name_member(roster, member), what)
        });
    }

    fn observe_database(&mut self, event: &Event) {
        match &event.body {
            Body::ChangeInvoked {
                tx,
                change,
                table,
                key,
                op,
            } => {
                let cases = self.cases_of(&[Watch::Row(*table, *key)]);
                if !cases.is_empty() {
                    let known = self.transactions.entry(*tx).or_default();
                    known.extend(cases.iter().copied());
                }
                self.note(&cases, Some(event.at), |_| {
                    let what = format!("{} row {key}, change {change}, in tx {tx}", verb(*op));
                    ("writer".to_owned(), what)
                });
            }
            Body::TxCompleted { tx, outcome } => {
                let cases = self.transactions.get(tx).cloned().unwrap_or_default();
                self.note(&cases, Some(event.at), |_| {
                    let what = match outcome {
                        TxOutcome::Committed => "was committed",
                        TxOutcome::RolledBack => "was rolled back",
                        TxOutcome::Unknown => "may or may not have been committed",
                    };
                    ("writer".to_owned(), format!("tx {tx} {what}"))
                });
            }
            Body::ChangeEvent {
                partition,
                offset,
                table,
                key,
                op,
                content,
                lsn,
            } => {
                let cases = self.cases_of(&[
                    Watch::Row(*table, *key),
                    Watch::Position(*partition, *offset),
                ]);
                for case in &cases {
                    self.cases[*case].occupied.insert((*partition, *offset));
                }
                self.note(&cases, None, |roster| {
                    observed(format!(
                        "{} event of row {key}, {}, lsn {lsn}, stands at {}@{offset}",
                        verb(*op),
                        image(content),
                        roster.partition(*partition)
                    ))
                });
            }
            Body::TableRow {
                table,
                key,
                content,
            } => {
                let cases = self.cases_of(&[Watch::Row(*table, *key)]);
                self.note(&cases, None, |roster| {
                    let table = roster.table(*table);
                    observed(format!("{table} holds row {key}, {}", image(content)))
                });
            }
            _ => {}
        }
    }

    fn cases_of(&self, watches: &[Watch]) -> BTreeSet<usize> {
        watches
            .iter()
            .filter_map(|watch| self.watched.get(watch))
            .flatten()
            .copied()
            .collect()
    }

    fn note(
        &mut self,
        cases: &BTreeSet<usize>,
        at: Option<Micros>,
        say: impl FnOnce(&Roster) -> (String, String),
    ) {
        if cases.is_empty() {
            return;
        }
        let (who, what) = say(&self.roster);
        for case in cases {
            let operations = &mut self.cases[*case].operations;
            if operations.len() < OPERATIONS_MAX {
                operations.push(ExampleOperation {
                    at_us: at.map(Micros::get),
                    who: who.clone(),
                    what: what.clone(),
                });
            }
        }
    }

    /// Writes the operations into the examples of the analysis: in the order
    /// of time, and what stands in the logs and tables behind them.
    pub fn finish(self, analysis: &mut Analysis) {
        let mut explained: HashMap<Anomaly, Vec<Vec<ExampleOperation>>> = HashMap::new();
        for mut case in self.cases {
            case.operations
                .sort_by_key(|operation| operation.at_us.unwrap_or(u64::MAX));
            for watch in &case.suspect.watch {
                let Watch::Position(partition, offset) = watch else {
                    continue;
                };
                let extent = analysis.extents.get(partition);
                if extent.is_some_and(|extent| extent.read)
                    && case.occupied.insert((*partition, *offset))
                    && let Some((log_start, end)) = self.pinned.get(partition)
                {
                    let name = self.roster.partition(*partition);
                    case.operations.push(ExampleOperation {
                        at_us: None,
                        who: "observer".to_owned(),
                        what: format!(
                            "nothing stands at {name}@{offset}; the log reaches from \
                             {log_start} up to, and without, {end}"
                        ),
                    });
                }
            }
            let of = explained.entry(case.suspect.anomaly).or_default();
            of.push(case.operations);
        }
        for finding in &mut analysis.findings {
            let operations = explained.remove(&finding.anomaly).unwrap_or_default();
            for (example, operations) in finding.examples.iter_mut().zip(operations) {
                example.operations = operations;
            }
        }
    }
}

/// What the observer saw.
fn observed(what: String) -> (String, String) {
    ("observer".to_owned(), what)
}

fn name_member(roster: &Roster, member: MemberIx) -> String {
    match roster.group_of(member) {
        Some(group) => format!("{} member {member}", roster.group(group)),
        None => format!("member {member}"),
    }
}

/// What a record that was seen at an offset may be watched by.
fn seen_at(partition: PartitionRef, offset: Offset, content: &Content) -> Vec<Watch> {
    let mut watches = vec![Watch::Position(partition, offset)];
    if let Content::Ours(record) | Content::Misplaced(record) = content {
        watches.push(Watch::Record(*record));
    }
    watches
}

fn name(content: &Content) -> String {
    match content {
        Content::Ours(record) => record.to_string(),
        Content::Misplaced(record) => format!("{record}, meant for another topic,"),
        Content::Corrupt => "a damaged record".to_owned(),
        Content::Foreign => "a foreign record".to_owned(),
    }
}

fn image(content: &ChangeContent) -> String {
    match content {
        ChangeContent::Ours(change) => format!("change {change}"),
        ChangeContent::Absent => "without an image".to_owned(),
        ChangeContent::Corrupt => "damaged".to_owned(),
        ChangeContent::Foreign => "foreign".to_owned(),
    }
}

const fn verb(op: RowOp) -> &'static str {
    match op {
        RowOp::Insert => "insert",
        RowOp::Update => "update",
        RowOp::Delete => "delete",
        RowOp::Snapshot => "snapshot",
    }
}
