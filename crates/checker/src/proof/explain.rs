//! Proof of examples: a second reading of a history collects the operations
//! that concern each suspect of the first. Knows nothing of how suspects were
//! found.
//!
//! The first reading keeps bits, not operations, so that its memory does not
//! grow with the proof; most histories have no suspects and need no second.

mod around;
mod cluster;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::event::{
    Body, CaptureResult, ChangeContent, CommitResult, Content, Event, Outcome, RowOp, SlotState,
    TxOutcome,
};
use model::ids::{
    ChangeId, GroupIx, MemberIx, Micros, Offset, PartitionRef, RecordId, RowKey, TableIx, TxId,
};
use model::verdict::ExampleOperation;

use crate::names::Names;
use crate::passes::checker::Analysis;
use crate::proof::explain::around::{Around, Neighbours};
use crate::proof::finding::{EXAMPLES_MAX, Suspect, Watch};
use crate::proof::loss_location::LossLocation;

/// Operations that one example shows, at most.
const OPERATIONS_MAX: usize = 24;
/// Readings among them, at most: a record may be read by many.
const READINGS_MAX: usize = 8;

/// Groups whose readings around an offset are shown, at most.
const GROUPS_AROUND_MAX: usize = 2;

/// How many examples of each anomaly are shown, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examples(usize);

impl Examples {
    /// So many, or as many as there can be.
    pub fn at_most(count: usize) -> Self {
        Self(count.min(EXAMPLES_MAX))
    }
}

impl Default for Examples {
    fn default() -> Self {
        Self(5)
    }
}

/// Collects the operations that prove the examples of an analysis.
pub struct Explainer {
    examples: Examples,
    attribution: LossLocation,
    /// What stands next to the offsets in question.
    log_around: HashMap<PartitionRef, Around<Content>>,
    /// Who read next to them.
    read_around: BTreeMap<(PartitionRef, GroupIx), Around<Reading>>,
    names: Names,
    cases: Vec<Case>,
    watched: HashMap<Watch, Vec<usize>>,
    commits_past: HashMap<(GroupIx, PartitionRef), Vec<(Offset, usize)>>,
    transactions: HashMap<TxId, BTreeSet<usize>>,
    /// The row changes so far, and how their transactions ended, where an event
    /// in question may tell of one.
    changes: Option<Changes>,
    pinned: HashMap<PartitionRef, (Offset, Offset)>,
    /// What the database said of the replication slot last.
    slot: Option<(Micros, SlotState)>,
}

/// Row changes as their writer made them.
#[derive(Default)]
struct Changes {
    made: BTreeMap<ChangeId, (Micros, TxId, String)>,
    ended: BTreeMap<TxId, (Micros, TxOutcome)>,
}

/// A reading next to an offset in question.
#[derive(Clone)]
struct Reading {
    at: Micros,
    member: MemberIx,
    content: Content,
}

/// An operation of a proof, and where it belongs in it.
struct Operation {
    shown: ExampleOperation,
    /// Where it is of the log: the log is told in the order of its offsets,
    /// behind all that has a moment.
    place: Option<(PartitionRef, Offset)>,
}

impl Operation {
    fn order(&self) -> (u64, Option<(PartitionRef, Offset)>) {
        (self.shown.at_us.unwrap_or(u64::MAX), self.place)
    }
}

struct Case {
    suspect: Suspect,
    operations: Vec<Operation>,
    readings: usize,
    /// Whether the group in question is shown with the record in hand.
    in_hand: bool,
    occupied: BTreeSet<(PartitionRef, Offset)>,
    passed: bool,
}

impl Explainer {
    /// Looks out for what the analysis suspects.
    pub fn new(analysis: &Analysis, examples: Examples) -> Self {
        let mut kept: HashMap<Anomaly, usize> = HashMap::new();
        let suspects: Vec<&Suspect> = analysis
            .suspects
            .iter()
            .filter(|suspect| {
                let count = kept.entry(suspect.anomaly).or_default();
                *count += 1;
                *count <= examples.0
            })
            .collect();
        let mut watched: HashMap<Watch, Vec<usize>> = HashMap::new();
        let mut commits_past: HashMap<_, Vec<_>> = HashMap::new();
        let mut asked: BTreeMap<PartitionRef, BTreeSet<Offset>> = BTreeMap::new();
        for (case, suspect) in suspects.iter().enumerate() {
            if let Some((partition, offset)) = suspect.place() {
                asked.entry(partition).or_default().insert(offset);
            }
            for watch in &suspect.watch {
                if let Watch::CommitPast(group, partition, offset) = watch {
                    let past = commits_past.entry((*group, *partition)).or_default();
                    past.push((*offset, case));
                } else {
                    watched.entry(*watch).or_default().push(case);
                }
            }
        }
        let groups = || analysis.names.groups.keys();
        let names = &analysis.names;
        let of_events = asked.keys().any(|at| names.holds_changes(at.topic));
        Self {
            changes: of_events.then(Changes::default),
            examples,
            attribution: LossLocation::new(&analysis.findings, &analysis.coverage),
            read_around: asked
                .iter()
                .flat_map(|(partition, offsets)| {
                    groups().map(|group| {
                        let around = Around::new(offsets.iter().copied());
                        ((*partition, *group), around)
                    })
                })
                .collect(),
            log_around: asked
                .into_iter()
                .map(|(partition, offsets)| (partition, Around::new(offsets)))
                .collect(),
            names: analysis.names.clone(),
            cases: suspects
                .into_iter()
                .map(|suspect| Case {
                    suspect: suspect.clone(),
                    operations: Vec::new(),
                    readings: 0,
                    in_hand: false,
                    occupied: BTreeSet::new(),
                    passed: false,
                })
                .collect(),
            watched,
            commits_past,
            transactions: HashMap::new(),
            pinned: HashMap::new(),
            slot: None,
        }
    }

    /// Whether there is nothing to look out for.
    pub fn is_idle(&self) -> bool {
        self.cases.is_empty() && self.attribution.is_idle()
    }

    /// Takes in the next event of the same history.
    pub fn observe(&mut self, event: &Event) {
        self.attribution.observe(&event.body);
        if self.cases.is_empty() {
            return;
        }
        let at = Some(event.at);
        match &event.body {
            Body::SendInvoked { record, to } => {
                let cases = self.cases_of(&[Watch::Record(*record)]);
                self.note(&cases, at, |names| {
                    let what = format!("sent {record} to {}", names.partition(*to));
                    (names.producer(record.producer), what)
                });
            }
            Body::SendCompleted { record, outcome } => {
                let mut watches = vec![Watch::Record(*record)];
                if let Outcome::Acknowledged { at, offset } = outcome
                    && offset.is_given()
                {
                    watches.push(Watch::Position(*at, *offset));
                }
                let cases = self.cases_of(&watches);
                self.note(&cases, at, |names| {
                    let what = match outcome {
                        Outcome::Acknowledged { at, offset } if offset.is_given() => {
                            let partition = names.partition(*at);
                            format!("{record} was acknowledged at {partition}@{offset}")
                        }
                        Outcome::Acknowledged { at, .. } => {
                            let partition = names.partition(*at);
                            format!(
                                "was told success of {record} in {partition}, without an offset"
                            )
                        }
                        Outcome::Failed { error } => format!("{record} was not written: {error}"),
                        Outcome::Unknown { error } => {
                            format!("{record} may or may not have been written: {error}")
                        }
                    };
                    (names.producer(record.producer), what)
                });
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => self.processed(event.at, *member, *from, *offset, content),
            Body::Glimpsed {
                member,
                from,
                offset,
                content,
            } => {
                let mut cases = self.cases_of(&seen_at(*from, *offset, content));
                cases.retain(|case| self.cases[*case].readings < READINGS_MAX);
                for case in &cases {
                    self.cases[*case].readings += 1;
                }
                self.note(&cases, at, |names| {
                    let what = format!(
                        "was given {} at {}@{offset}, by a poll that was taken back",
                        name(content),
                        names.partition(*from)
                    );
                    (names.member_of_group(*member), what)
                });
            }
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
                self.note(&cases, None, |names| {
                    let (group, partition) = (names.group(*group), names.partition(*partition));
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
                let place = Some((*partition, *offset));
                self.note_at(&cases, place, |names| {
                    observed(stands(names, *partition, *offset, content))
                });
                if let Some(around) = self.log_around.get_mut(partition) {
                    around.see(*offset, *content);
                }
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
        let group = self.names.group_of(member);
        let mut cases = self.cases_of(&seen_at(from, offset, content));
        cases.retain(|case| {
            let case = &mut self.cases[*case];
            // What the group in question did is never left out for what others did.
            let own = group.is_some() && case.suspect.group() == group && !case.in_hand;
            case.in_hand |= own;
            case.readings += 1;
            own || case.readings <= READINGS_MAX
        });
        self.note(&cases, Some(at), |names| {
            let what = format!(
                "processed {} at {}@{offset}",
                name(content),
                names.partition(from)
            );
            (names.member_of_group(member), what)
        });
        if let Some(group) = group
            && let Some(around) = self.read_around.get_mut(&(from, group))
        {
            let content = *content;
            let reading = Reading {
                at,
                member,
                content,
            };
            around.see(offset, reading);
        }
    }

    fn committed(&mut self, at: Micros, member: MemberIx, partition: PartitionRef, offset: Offset) {
        let Some(group) = self.names.group_of(member) else {
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
        self.note(&cases, Some(at), |names| {
            let what = format!("committed {offset} of {}", names.partition(partition));
            (names.member_of_group(member), what)
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
                let what = format!("{} row {key}, change {change}, in tx {tx}", verb(*op));
                if let Some(changes) = &mut self.changes {
                    let made = (event.at, *tx, what.clone());
                    changes.made.insert(*change, made);
                }
                self.note(&cases, Some(event.at), |_| ("writer".to_owned(), what));
            }
            Body::TxCompleted { tx, outcome } => {
                let cases = self.transactions.get(tx).cloned().unwrap_or_default();
                if let Some(changes) = &mut self.changes {
                    changes.ended.insert(*tx, (event.at, *outcome));
                }
                self.note(&cases, Some(event.at), |_| {
                    ("writer".to_owned(), ended(*tx, *outcome))
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
                let place = Some((*partition, *offset));
                if let ChangeContent::Ours(change) = content {
                    self.trace_back(*change, (*table, *key), (*partition, *offset));
                }
                self.note_at(&cases, place, |names| {
                    observed(format!(
                        "{} event of row {key}, {}, lsn {lsn}, stands at {}@{offset}",
                        verb(*op),
                        image(content),
                        names.partition(*partition)
                    ))
                });
            }
            Body::TableRow {
                table,
                key,
                content,
            } => {
                let cases = self.cases_of(&[Watch::Row(*table, *key)]);
                self.note(&cases, None, |names| {
                    let table = names.table(*table);
                    observed(format!("{table} holds row {key}, {}", image(content)))
                });
            }
            Body::ConnectorSeen { unit, state, trace } if state == "FAILED" => {
                let cases = self.cases_of_rows();
                self.note(&cases, Some(event.at), |_| {
                    let why = trace.lines().next().unwrap_or_default();
                    ("Connect".to_owned(), format!("{unit} {state}: {why}"))
                });
            }
            Body::SlotSeen { state, .. } => self.slot = Some((event.at, *state)),
            Body::CaptureWaited { result, limit_ms } => {
                let cases = self.cases_of_rows();
                let slot = self.slot.filter(|(_, state)| *state != SlotState::Kept);
                if let Some((at, state)) = slot {
                    self.note(&cases, Some(at), |_| {
                        let what = match state {
                            SlotState::Lost => "the replication slot has lost log that it needs",
                            _ => "there is no replication slot",
                        };
                        ("PostgreSQL".to_owned(), what.to_owned())
                    });
                }
                self.note(&cases, Some(event.at), |_| {
                    observed(match result {
                        CaptureResult::CaughtUp => {
                            "the last change of every table has come out".to_owned()
                        }
                        CaptureResult::TimedOut => {
                            format!("the last change did not come out within {limit_ms} ms")
                        }
                        CaptureResult::Failed => {
                            "the connector had failed, and nobody was going to restart it"
                                .to_owned()
                        }
                        CaptureResult::Confirmed => "the connector had confirmed all that was \
                                                     committed before the last change"
                            .to_owned(),
                    })
                });
            }
            _ => {}
        }
    }

    /// Where an event is what a case is about, shows the row change that it
    /// tells of.
    fn trace_back(&mut self, change: ChangeId, row: (TableIx, RowKey), at: (PartitionRef, Offset)) {
        let Some(changes) = &self.changes else {
            return;
        };
        let mut cases = self.cases_of(&[Watch::Position(at.0, at.1)]);
        let rows = self.cases_of(&[Watch::Row(row.0, row.1)]);
        cases.retain(|case| self.cases[*case].suspect.place() == Some(at) && !rows.contains(case));
        let Some((made, tx, what)) = changes.made.get(&change).cloned() else {
            return;
        };
        let end = changes.ended.get(&tx).copied();
        self.note(&cases, Some(made), |_| ("writer".to_owned(), what));
        if let Some((at, outcome)) = end {
            self.note(&cases, Some(at), |_| {
                ("writer".to_owned(), ended(tx, outcome))
            });
        }
    }

    /// Those that are about rows.
    fn cases_of_rows(&self) -> BTreeSet<usize> {
        let of_rows = |case: &Case| {
            let mut watches = case.suspect.watch.iter();
            watches.any(|watch| matches!(watch, Watch::Row(..)))
        };
        let cases = self.cases.iter().enumerate();
        let cases = cases.filter(|(_, case)| of_rows(case));
        cases.map(|(number, _)| number).collect()
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
        say: impl FnOnce(&Names) -> (String, String),
    ) {
        self.keep(cases, at, None, say);
    }

    /// Notes what has a place in a log, and no moment.
    fn note_at(
        &mut self,
        cases: &BTreeSet<usize>,
        place: Option<(PartitionRef, Offset)>,
        say: impl FnOnce(&Names) -> (String, String),
    ) {
        self.keep(cases, None, place, say);
    }

    fn keep(
        &mut self,
        cases: &BTreeSet<usize>,
        at: Option<Micros>,
        place: Option<(PartitionRef, Offset)>,
        say: impl FnOnce(&Names) -> (String, String),
    ) {
        if cases.is_empty() {
            return;
        }
        let (who, what) = say(&self.names);
        for case in cases {
            let case = &mut self.cases[*case];
            let room = OPERATIONS_MAX + usize::from(case.in_hand);
            if case.operations.len() < room {
                case.operations.push(Operation {
                    shown: ExampleOperation {
                        at_us: at.map(Micros::get),
                        who: who.clone(),
                        what: what.clone(),
                    },
                    place,
                });
            }
        }
    }

    /// Writes the operations into the examples of the analysis: in the order
    /// of time, and what stands in the logs and tables behind them. Says where
    /// the lost records were lost.
    pub fn finish(mut self, analysis: &mut Analysis) {
        let cases = std::mem::take(&mut self.cases);
        let mut explained: HashMap<Anomaly, Vec<Vec<ExampleOperation>>> = HashMap::new();
        for mut case in cases {
            self.add_surroundings(&mut case);
            self.add_absences(&mut case, analysis);
            case.operations.sort_by_key(Operation::order);
            let of = explained.entry(case.suspect.anomaly).or_default();
            of.push(case.operations.into_iter().map(|it| it.shown).collect());
        }
        let logs = self.names.logs();
        for finding in &mut analysis.findings {
            finding.examples.truncate(self.examples.0);
            let operations = explained.remove(&finding.anomaly).unwrap_or_default();
            for (example, operations) in finding.examples.iter_mut().zip(operations) {
                example.logs = logs_of(&operations, &logs);
                example.operations = operations;
            }
        }
        self.attribution.finish(&mut analysis.findings);
    }

    /// What stands next to the offset in question, and who was given that.
    fn add_surroundings(&self, case: &mut Case) {
        let Some((partition, offset)) = case.suspect.place() else {
            return;
        };
        let mut readings: Vec<Neighbours<Reading>> = self
            .read_around
            .range((partition, GroupIx::new(u16::MIN))..=(partition, GroupIx::new(u16::MAX)))
            .map(|(_, around)| around.of(offset))
            .filter(|sides| sides.iter().any(Option::is_some))
            .collect();
        readings.truncate(GROUPS_AROUND_MAX);
        let readings = readings.into_iter().flat_map(on_sides);
        for (side, (at, reading)) in readings {
            let partition = self.names.partition(partition);
            let operation = Operation {
                shown: ExampleOperation {
                    at_us: Some(reading.at.get()),
                    who: self.names.member_of_group(reading.member),
                    what: format!("processed {} at {partition}@{at}", name(&reading.content)),
                },
                place: None,
            };
            case.add(operation, side);
        }
        let log = self.log_around.get(&partition);
        for (side, (at, content)) in log.into_iter().flat_map(|log| on_sides(log.of(offset))) {
            let operation = Operation {
                shown: ExampleOperation {
                    at_us: None,
                    who: "observer".to_owned(),
                    what: stands(&self.names, partition, at, &content),
                },
                place: Some((partition, at)),
            };
            case.add(operation, side);
        }
    }

    /// The offsets in question at which nothing stands.
    fn add_absences(&self, case: &mut Case, analysis: &Analysis) {
        for watch in case.suspect.watch.clone() {
            let Watch::Position(partition, offset) = watch else {
                continue;
            };
            let extent = analysis.extents.get(&partition);
            if extent.is_some_and(|extent| extent.read)
                && case.occupied.insert((partition, offset))
                && let Some((log_start, end)) = self.pinned.get(&partition)
            {
                let name = self.names.partition(partition);
                case.operations.push(Operation {
                    shown: ExampleOperation {
                        at_us: None,
                        who: "observer".to_owned(),
                        what: format!(
                            "nothing stands at {name}@{offset}; the log reaches from \
                             {log_start} up to, and without, {end}"
                        ),
                    },
                    place: Some((partition, offset)),
                });
            }
        }
    }
}

impl Case {
    /// Adds what is on one side of the offset in question, unless it was shown
    /// for its own sake.
    fn add(&mut self, mut operation: Operation, side: &str) {
        let same = |it: &Operation| {
            it.shown.at_us == operation.shown.at_us && it.shown.what == operation.shown.what
        };
        if !self.operations.iter().any(same) {
            operation.shown.what.push_str(side);
            self.operations.push(operation);
        }
    }
}

/// What there is on the two sides of an offset, with words for the sides.
fn on_sides<T>(sides: [Option<T>; 2]) -> impl Iterator<Item = (&'static str, T)> {
    let words = [", the nearest below", ", the nearest above"];
    let both = words.into_iter().zip(sides);
    both.filter_map(|(words, side)| Some((words, side?)))
}

/// What stands at an offset.
fn stands(names: &Names, partition: PartitionRef, offset: Offset, content: &Content) -> String {
    let partition = names.partition(partition);
    format!("{} stands at {partition}@{offset}", name(content))
}

/// The logs of those that operations are of, in that order.
fn logs_of(operations: &[ExampleOperation], logs: &BTreeMap<String, String>) -> Vec<String> {
    let mut of: Vec<String> = Vec::new();
    for log in operations.iter().filter_map(|it| logs.get(&it.who)) {
        if !of.contains(log) {
            of.push(log.clone());
        }
    }
    of
}

/// What the observer saw.
fn observed(what: String) -> (String, String) {
    ("observer".to_owned(), what)
}

/// What a record that was seen at an offset may be watched by.
fn seen_at(partition: PartitionRef, offset: Offset, content: &Content) -> Vec<Watch> {
    let mut watches = vec![Watch::Position(partition, offset)];
    let misplaced = match content {
        Content::Misplaced(record) => Some(*record),
        _ => None,
    };
    watches.extend(content.identity().or(misplaced).map(Watch::Record));
    watches
}

fn name(content: &Content) -> String {
    match content {
        Content::Ours(record) => record.to_string(),
        Content::Misplaced(record) => format!("{record}, meant for another topic,"),
        Content::Corrupt => "a damaged record".to_owned(),
        Content::Foreign => "a foreign record".to_owned(),
        Content::Change(change) => RecordId::of_change(*change).to_string(),
        Content::Nameless => "an event that names no change".to_owned(),
    }
}

fn image(content: &ChangeContent) -> String {
    match content {
        ChangeContent::Ours(change) => format!("change {change}"),
        ChangeContent::Absent => "without an image".to_owned(),
        ChangeContent::Corrupt => "damaged".to_owned(),
        ChangeContent::Foreign => "foreign".to_owned(),
        ChangeContent::Unreadable => "of a form that is not read".to_owned(),
    }
}

/// How a database transaction ended.
fn ended(tx: TxId, outcome: TxOutcome) -> String {
    let what = match outcome {
        TxOutcome::Committed => "was committed",
        TxOutcome::RolledBack => "was rolled back",
        TxOutcome::Unknown => "may or may not have been committed",
    };
    format!("tx {tx} {what}")
}

const fn verb(op: RowOp) -> &'static str {
    match op {
        RowOp::Insert => "insert",
        RowOp::Update => "update",
        RowOp::Delete => "delete",
        RowOp::Snapshot => "snapshot",
        RowOp::Untold => "change",
    }
}
