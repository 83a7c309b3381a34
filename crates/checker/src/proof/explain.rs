//! Proof of examples: a second reading of a history collects the operations
//! that concern each suspect of the first. Knows nothing of how suspects were
//! found.
//!
//! The first reading keeps bits, not operations, so that its memory does not
//! grow with the proof; most histories have no suspects and need no second.

mod around;
mod case;
mod cluster;
mod database;
mod finish;
mod watched;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Content, Event, Outcome, SlotState};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef, TxId};
use model::verdict::ExampleOperation;

use crate::analysis::Analysis;
use crate::finding::{EXAMPLES_MAX, Suspect, Watch};
use crate::names::Names;
use crate::proof::explain::around::Around;
use crate::proof::explain::case::{Case, Changes, Operation, Reading};
use crate::proof::explain::watched::Watched;
use crate::proof::explain::words::{name, observed, stands};
use crate::proof::loss_location::LossLocation;
use crate::sets::table::PartitionTable;

/// Operations that one example shows, at most.
const OPERATIONS_MAX: usize = 24;

/// Readings among them, at most: a record may be read by many.
const READINGS_MAX: usize = 8;

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
    log_around: PartitionTable<Around<Content>>,
    /// Readings next to them.
    read_around: BTreeMap<(PartitionRef, GroupIx), Around<Reading>>,
    names: Names,
    cases: Vec<Case>,
    watched: Watched,
    commits_past: HashMap<(GroupIx, PartitionRef), Vec<(Offset, usize)>>,
    transactions: HashMap<TxId, BTreeSet<usize>>,
    /// The row changes so far, and how their transactions ended, where an event
    /// in question may tell of one.
    changes: Option<Changes>,
    pinned: HashMap<PartitionRef, (Offset, Offset)>,
    /// What the database said of the replication slot last.
    slot: Option<(Micros, SlotState)>,
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
        let mut watched = Watched::default();
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
                    watched.add(*watch, case);
                }
            }
        }
        let mut log_around = PartitionTable::default();
        for (partition, offsets) in &asked {
            log_around.insert(*partition, Around::new(offsets.iter().copied()));
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
            log_around,
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
                let cases = self.cases_of([Watch::Record(*record)]);
                self.note(&cases, at, |names| {
                    let what = format!("sent {record} to {}", names.partition(*to));
                    (names.producer(record.producer), what)
                });
            }
            Body::SendCompleted { record, outcome } => {
                let place = match outcome {
                    Outcome::Acknowledged { at, offset } if offset.is_given() => {
                        Some(Watch::Position(*at, *offset))
                    }
                    _ => None,
                };
                let cases = self.cases_of([Watch::Record(*record)].into_iter().chain(place));
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
            Body::ReadRolledBack {
                member,
                from,
                offset,
                content,
            } => {
                let mut cases = self.cases_of(seen_at(*from, *offset, content));
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
                let cases = self.cases_of([Watch::CommitOf(*group, *partition, *offset)]);
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
                let cases = self.cases_of(watches);
                for case in &cases {
                    self.cases[*case].occupied.insert((*partition, *offset));
                }
                let place = Some((*partition, *offset));
                self.note_at(&cases, place, |names| {
                    observed(stands(names, *partition, *offset, content))
                });
                if let Some(around) = self.log_around.get_mut(*partition) {
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
        let mut cases = self.cases_of(seen_at(from, offset, content));
        cases.retain(|case| {
            let case = &mut self.cases[*case];
            // What the group in question did is never left out for what others did,
            // nor is the first reading of the record in question for readings of
            // the record that stands at its offset.
            let about = match case.suspect.group() {
                Some(of) => group == Some(of),
                None => content.identity().is_some_and(|it| case.suspect.is_of(it)),
            };
            let own = about && !case.in_hand;
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
        let mut cases = self.cases_of([Watch::CommitOf(group, partition, offset)]);
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

    #[inline]
    fn cases_of(&self, watches: impl IntoIterator<Item = Watch>) -> BTreeSet<usize> {
        let watches = watches.into_iter();
        let cases = watches.flat_map(|watch| self.watched.cases(watch));
        cases.copied().collect()
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
                        actor: who.clone(),
                        operation: what.clone(),
                    },
                    place,
                });
            }
        }
    }
}

/// What a record that was seen at an offset may be watched by.
fn seen_at(
    partition: PartitionRef,
    offset: Offset,
    content: &Content,
) -> impl Iterator<Item = Watch> + use<> {
    let misplaced = match content {
        Content::Misplaced(record) => Some(*record),
        _ => None,
    };
    let record = content.identity().or(misplaced).map(Watch::Record);
    std::iter::once(Watch::Position(partition, offset)).chain(record)
}
