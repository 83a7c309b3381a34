//! The anomalies of readers and groups by their definitions, slowly and
//! obviously: every operation kept, every one looked at.

mod listen;

use std::collections::{BTreeMap, BTreeSet};

use checker::{GroupCoverage, ZombieCoverage};
use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Content, Event, Outcome};
use model::ids::{GroupIx, MemberIx, Micros, PartitionRef, RecordId};

use self::listen::listen;
use crate::reference_waits::excuse;

type Of = (GroupIx, PartitionRef);
type Place = (PartitionRef, i64);

/// A member's time with a partition.
type Tenure = (MemberIx, Micros);

struct Commit {
    at: Micros,
    tenure: Tenure,
    offset: i64,
    /// What its member had processed last of the partition.
    behind: Option<(i64, Option<Content>)>,
}

/// A record as a group processed it.
#[derive(Clone, Copy)]
struct Read {
    offset: i64,
    content: Content,
}

/// A step within one assignment; nothing is known of what stood where a member
/// was set by hand.
struct Step {
    of: Of,
    /// How much the group had processed before.
    at: usize,
    /// What the member was given before, in order.
    before: Vec<Given>,
    to: Given,
}

/// Where, and what.
type Given = (i64, Option<Content>);

/// A partition in a member's hands.
struct Hand {
    of: Of,
    member: MemberIx,
    since: Micros,
    taken: bool,
    first: Option<i64>,
    /// Behind the farthest record processed before it was taken.
    reached: Option<i64>,
    /// The same of the member's earlier hands.
    reached_before: Option<i64>,
    /// A commit was accepted that only this hand explains.
    confirmed: bool,
}

#[derive(Default)]
struct Said {
    hands: Vec<Hand>,
    /// Processed by a member that had not been told that it lost the partition:
    /// by whose hand, when, and how many hands were on record.
    untold: Vec<(usize, Micros, usize)>,
    /// Processed by a member that had been.
    told: usize,
    /// Committed by one: of what, from where up to where.
    passed: Vec<(PartitionRef, i64, i64)>,
    given: BTreeSet<(PartitionRef, i64)>,
    /// By member: hands that were taken since it last did anything.
    just_taken: BTreeMap<MemberIx, u64>,
    /// Hands that were taken from a member that did something afterwards.
    outlived: u64,
    /// When a member last did anything.
    last: BTreeMap<MemberIx, Micros>,
    /// Readings and commits of members that were never started.
    strays: u64,
    imported: bool,
    pinned: BTreeMap<PartitionRef, (i64, i64)>,
    read: BTreeSet<PartitionRef>,
    data: BTreeSet<Place>,
    /// What stands, or stood, at a place: the last word counts.
    stands: BTreeMap<Place, Content>,
    /// What was given at a place last.
    read_last: BTreeMap<Place, Content>,
    acknowledged: BTreeMap<Place, RecordId>,
    processed: BTreeMap<Of, Vec<Read>>,
    /// Everything that was processed, in order.
    order: Vec<(Of, Read)>,
    steps: Vec<Step>,
    /// Acknowledged above everything that a consumer was given.
    beyond: BTreeSet<Place>,
    /// What compaction may have taken.
    replaceable: BTreeSet<Place>,
    commits: BTreeMap<Of, Vec<Commit>>,
    reported: BTreeMap<Of, Option<i64>>,
    waited: BTreeSet<GroupIx>,
}

/// How often the committed position went back. Behind a record that is gone it
/// could not stay: the log went back.
fn regressions(
    commits: &[Commit],
    reported: Option<&Option<i64>>,
    past: impl Fn(&Commit) -> bool,
) -> u64 {
    let mut sorted: Vec<&Commit> = commits.iter().collect();
    sorted.sort_by_key(|commit| commit.at);
    let mut count = 0;
    for (at, commit) in sorted.iter().enumerate() {
        let own = sorted[..at]
            .iter()
            .rev()
            .find(|before| before.tenure == commit.tenure);
        let inherited = sorted
            .iter()
            .rev()
            .find(|other| other.tenure != commit.tenure && other.at <= commit.tenure.1);
        let went_back = own
            .or(inherited)
            .is_some_and(|before| before.offset > commit.offset && (!past(before) || past(commit)));
        count += u64::from(went_back);
    }
    let last = sorted.last().filter(|commit| !past(commit));
    let last = last.map(|commit| commit.offset);
    count
        + match (last, reported) {
            (Some(_), Some(None)) => 1,
            (Some(last), Some(Some(reported))) => u64::from(*reported < last),
            _ => 0,
        }
}

/// Where no observer read the log, what the readers were given is all there
/// is, up to the highest.
fn believe_the_readers(said: &mut Said, declared: &[Of]) {
    said.data.clone_from(&said.given);
    said.stands.clone_from(&said.read_last);
    for (_, partition) in declared {
        let given = said.data.iter().filter(|(of, _)| of == partition);
        let end = given.map(|(_, offset)| offset + 1).max();
        said.pinned.insert(*partition, (0, end.unwrap_or(0)));
        said.read.insert(*partition);
    }
    // What was acknowledged exists, where compaction cannot have taken it.
    let acknowledged = said.acknowledged.keys();
    for place in acknowledged.filter(|place| place.1 >= 0 && !said.replaceable.contains(place)) {
        let (_, end) = said.pinned.get(&place.0).copied().unwrap_or_default();
        if place.1 < end {
            said.data.insert(*place);
        } else {
            said.beyond.insert(*place);
        }
    }
}

/// What was processed although another member provably had taken over.
fn overtaken(said: &Said) -> usize {
    let untold = said.untold.iter();
    untold
        .filter(|(number, at, on_record)| {
            let hand = &said.hands[*number];
            said.hands[*number..*on_record].iter().any(|other| {
                other.of == hand.of
                    && other.member != hand.member
                    && hand.since < other.since
                    && other.since < *at
                    && other.confirmed
            })
        })
        .count()
}

impl Said {
    fn act(&mut self, member: MemberIx, at: Micros) {
        self.outlived += self.just_taken.remove(&member).unwrap_or(0);
        self.last.insert(member, at);
    }

    fn of(events: &[Event], declared: &[Of]) -> Self {
        let mut said = listen(events);
        if said.imported {
            believe_the_readers(&mut said, declared);
        }
        said
    }

    /// Where records stand in a partition, as far as it was pinned.
    fn in_log(&self, partition: PartitionRef) -> Vec<i64> {
        let (start, end) = self.pinned.get(&partition).copied().unwrap_or_default();
        let data = self.data.iter().filter(|(of, _)| *of == partition);
        data.map(|(_, offset)| *offset)
            .filter(|offset| (start..end).contains(offset))
            .collect()
    }

    /// Where a partition begins, if it was read to its end.
    fn start_of_read(&self, partition: PartitionRef) -> Option<i64> {
        let (start, _) = self.pinned.get(&partition)?;
        self.read.contains(&partition).then_some(*start)
    }

    /// Whether what was given at an offset is not what stands there: the log was
    /// cut, or made again.
    fn is_past(&self, partition: PartitionRef, given: Given) -> bool {
        let (offset, Some(content)) = given else {
            return false;
        };
        let end = self.pinned.get(&partition).map(|(_, end)| *end);
        let stands = self.stands.get(&(partition, offset)).copied();
        let another = matches!(
            (stands, content),
            (Some(Content::Ours(stands)), Content::Ours(given)) if stands != given
        );
        !self.imported && (another || end.is_some_and(|end| offset >= end))
    }

    fn made_in_the_past(&self, partition: PartitionRef, commit: &Commit) -> bool {
        let end = self.pinned.get(&partition).filter(|_| !self.imported);
        let behind_end = end.is_some_and(|(_, end)| commit.offset > *end);
        let behind = commit.behind;
        behind_end || behind.is_some_and(|behind| self.is_past(partition, behind))
    }

    /// How far a group has committed, by its members or the coordinator. Where the log was cut,
    /// what was committed behind records that are gone counts only as the
    /// position that the group starts from.
    fn committed(&self, of: &Of) -> i64 {
        let none = Vec::new();
        let commits = self.commits.get(of).unwrap_or(&none);
        let reported = self.reported.get(of).copied();
        let end = self.pinned.get(&of.1).map(|(_, end)| *end);
        let highest = commits.iter().map(|commit| commit.offset).max();
        let given = self.given.iter().filter(|(at, _)| *at == of.1);
        let farthest = given.map(|(_, offset)| offset + 1).max();
        let beyond = |position: Option<i64>| {
            end.is_some_and(|end| position.is_some_and(|position| position > end))
        };
        let position = highest.max(reported.flatten());
        let is_cut =
            !self.imported && (self.is_reused(of.1) || beyond(farthest) || beyond(position));
        if !is_cut {
            return highest.max(reported.flatten()).unwrap_or(0);
        }
        let present = commits.iter();
        let present = present.filter(|commit| !self.made_in_the_past(of.1, commit));
        let present = present.map(|commit| commit.offset).max();
        let latest = commits.iter().max_by_key(|commit| commit.at);
        let start = reported.unwrap_or(latest.map(|commit| commit.offset));
        let start = start.filter(|start| end.is_none_or(|end| *start <= end));
        present.max(start).unwrap_or(0)
    }

    /// Whether a consumer read another record at an offset than stands there.
    fn is_reused(&self, partition: PartitionRef) -> bool {
        let reads = self.processed.iter();
        let reads = reads.filter(|((_, of), _)| *of == partition);
        !self.imported
            && reads.flat_map(|(_, reads)| reads).any(|read| {
                let stands = self.stands.get(&(partition, read.offset));
                matches!(
                    (stands, read.content),
                    (Some(Content::Ours(stands)), Content::Ours(read)) if *stands != read
                )
            })
    }

    /// Acknowledged, committed past, and read by no consumer.
    fn passed_unread(&self, of: &Of) -> usize {
        let beyond = self.beyond.iter();
        let passed = beyond.filter(|(at, offset)| *at == of.1 && *offset < self.committed(of));
        passed
            .filter(|(_, offset)| !self.has_processed(of, *offset))
            .count()
    }

    /// Whether a group has processed what stands, or stood, at an offset: by
    /// its identity, where it has one.
    fn has_processed(&self, of: &Of, offset: i64) -> bool {
        let place = (of.1, offset);
        let stands = self.stands.get(&place).copied();
        let stood = self.acknowledged.get(&place).copied().map(Content::Ours);
        let here = self.processed.get(of).into_iter().flatten();
        let mut here = here.filter(|read| read.offset == offset);
        match stands.or(stood) {
            Some(Content::Ours(record)) => {
                let everywhere = self
                    .processed
                    .iter()
                    .filter(|((group, _), _)| *group == of.0);
                let mut everywhere = everywhere.flat_map(|(_, reads)| reads);
                everywhere.any(|read| read.content == Content::Ours(record))
                    || here.any(|read| !matches!(read.content, Content::Ours(_)))
            }
            _ => here.next().is_some(),
        }
    }

    /// Of the records that a group processed in a partition, how many it had
    /// processed before, and how many of those at another offset.
    fn again(&self, group: GroupIx) -> BTreeMap<PartitionRef, (u64, u64)> {
        let mut again: BTreeMap<PartitionRef, (u64, u64)> = BTreeMap::new();
        let mut known: BTreeSet<RecordId> = BTreeSet::new();
        let mut places: BTreeSet<Place> = BTreeSet::new();
        let mut nameless: BTreeSet<Place> = BTreeSet::new();
        for ((of, partition), read) in &self.order {
            if *of != group {
                continue;
            }
            let elsewhere = places.insert((*partition, read.offset));
            let repeated = match read.content {
                Content::Ours(record) => !known.insert(record),
                _ => !nameless.insert((*partition, read.offset)),
            };
            let (count, copies) = again.entry(*partition).or_default();
            *count += u64::from(repeated);
            *copies += u64::from(repeated && elsewhere);
        }
        again
    }
}

/// How much there was of a group, in the partitions that it was declared to
/// read. What is not about a single history (its name) is left as it is.
pub(crate) fn cover(events: &[Event], declared: &[Of], group: GroupIx) -> GroupCoverage {
    let said = Said::of(events, declared);
    let mut covered = GroupCoverage {
        waited: said.waited.contains(&group),
        ..GroupCoverage::default()
    };
    let again = said.again(group);
    for of in declared.iter().filter(|(of, _)| *of == group) {
        let partition = &of.1;
        let commits = said.commits.get(of).map_or(0, Vec::len);
        covered.commits += commits as u64;
        covered.processed += said.processed.get(of).map_or(0, Vec::len) as u64;
        let (again, copies) = again.get(partition).copied().unwrap_or_default();
        covered.reprocessed += again;
        covered.copies += copies;
        let steps = said.steps.iter().filter(|step| step.of == *of);
        covered.steps += steps.count() as u64;
        let Some(start) = said.start_of_read(*partition) else {
            continue;
        };
        let committed = said.committed(of);
        for offset in 0..start {
            let acknowledged = said.acknowledged.contains_key(&(*partition, offset));
            let past = offset < committed;
            match (said.has_processed(of, offset), acknowledged, past) {
                (true, ..) | (false, false, false) => {}
                (false, false, true) => covered.unknown += 1,
                (false, true, true) => {
                    covered.gaps += 1;
                    covered.gaps_expired += 1;
                }
                (false, true, false) => covered.behind_expired += 1,
            }
        }
        let excuse = excuse(events, group, *partition);
        for offset in said.in_log(*partition) {
            covered.stored += 1;
            covered.below_committed += u64::from(offset < committed);
            if said.has_processed(of, offset) {
                covered.distinct += 1;
            } else if said.replaceable.contains(&(*partition, offset)) {
                covered.replaceable += u64::from(offset < committed);
            } else if let Some(limit) = &excuse.limit {
                covered.beyond_client += 1;
                covered.client_limit.get_or_insert_with(|| limit.clone());
            } else if offset < committed {
                covered.gaps += 1;
            } else if excuse.to_come_from.is_some_and(|from| offset >= from) {
                covered.to_come += 1;
            } else if excuse.hindered {
                covered.hindered += 1;
            } else {
                covered.behind += 1;
            }
        }
        if excuse.limit.is_none() {
            covered.gaps += said.passed_unread(of) as u64;
        }
    }
    covered
}

/// How often a member could have become a zombie, and how much was done by
/// members that were never started.
pub(crate) fn cover_members(events: &[Event]) -> (ZombieCoverage, u64) {
    let said = listen(events);
    let overtaken = said.hands.iter().enumerate().filter(|(number, hand)| {
        let others = &said.hands[number + 1..];
        let took_over = others.iter().any(|other| {
            other.of == hand.of
                && other.member != hand.member
                && other.confirmed
                && hand.since < other.since
                && other.since < said.last[&hand.member]
        });
        !hand.taken && took_over
    });
    let covered = ZombieCoverage {
        outlived: said.outlived,
        overtaken: overtaken.count() as u64,
    };
    (covered, said.strays)
}

/// Exactly the instances of the anomalies of readers, of groups that were
/// declared to read these partitions.
pub(crate) fn count(events: &[Event], declared: &[Of]) -> BTreeMap<Anomaly, u64> {
    let said = Said::of(events, declared);
    let in_log = |partition: &PartitionRef| said.in_log(*partition);
    let mut counts = BTreeMap::new();
    let mut add = |anomaly, count: usize| *counts.entry(anomaly).or_insert(0) += count as u64;
    for Step {
        of: (group, partition),
        at,
        before,
        to,
    } in &said.steps
    {
        let gone = said.is_past(*partition, *to);
        let mut before = before.iter().rev();
        // What stands is held against what stands, and what is gone against
        // what is gone.
        let Some(from) = before.find(|it| gone == said.is_past(*partition, **it)) else {
            continue;
        };
        let skipped = in_log(partition)
            .into_iter()
            .filter(|offset| !gone && from.0 < *offset && *offset < to.0)
            .filter(|offset| !said.replaceable.contains(&(*partition, *offset)));
        if excuse(events, *group, *partition).limit.is_none() {
            add(Anomaly::PollSkip, skipped.count());
        }
        // Of two logs that are gone each has its own offsets.
        let known = said.order[..*at].iter().any(|((by, at), read)| {
            let named = matches!(read.content, Content::Ours(_));
            let gone = said.is_past(*at, (read.offset, Some(read.content)));
            by == group && named && Some(read.content) == to.1 && gone
        });
        let back = to.0 <= from.0 && (!gone || known);
        add(Anomaly::NonmonotonicPoll, usize::from(back));
    }
    add(Anomaly::ZombieProcessing, said.told);
    for (partition, reached, committed) in &said.passed {
        let passed = in_log(partition)
            .into_iter()
            .any(|offset| (*reached..*committed).contains(&offset));
        add(Anomaly::ZombieProcessing, usize::from(passed));
    }
    if !said.imported {
        add(Anomaly::ZombieProcessing, overtaken(&said));
    }
    let groups: BTreeSet<GroupIx> = said.processed.keys().map(|(group, _)| *group).collect();
    for group in groups {
        let again: u64 = said.again(group).values().map(|(count, _)| count).sum();
        add(Anomaly::Reprocessed, usize::try_from(again).unwrap());
    }
    let none = Vec::new();
    let all: BTreeSet<Of> = said
        .commits
        .keys()
        .chain(said.reported.keys())
        .copied()
        .collect();
    for of in all {
        let commits = said.commits.get(&of).unwrap_or(&none);
        let past = |commit: &Commit| said.made_in_the_past(of.1, commit);
        let regressions = regressions(commits, said.reported.get(&of), past);
        add(
            Anomaly::CommitRegression,
            usize::try_from(regressions).unwrap(),
        );
    }
    for of in declared {
        let (group, partition) = of;
        let Some(start) = said.start_of_read(*partition) else {
            continue;
        };
        let highest = said.committed(of);
        for (at, offset) in said.acknowledged.keys() {
            let passed = (0..start.min(highest)).contains(offset);
            if at == partition && passed && !said.has_processed(of, *offset) {
                add(Anomaly::GroupGap, 1);
            }
        }
        let excuse = excuse(events, *group, *partition);
        for offset in in_log(partition) {
            let replaceable = said.replaceable.contains(&(*partition, offset));
            if said.has_processed(of, offset) || replaceable || excuse.limit.is_some() {
                continue;
            }
            let to_come = excuse.to_come_from.is_some_and(|from| offset >= from);
            if offset < highest {
                add(Anomaly::GroupGap, 1);
            } else if to_come || excuse.hindered {
                // Unknown.
            } else if said.waited.contains(group) {
                add(Anomaly::GroupIncomplete, 1);
            }
        }
        if excuse.limit.is_none() {
            add(Anomaly::GroupGap, said.passed_unread(of));
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}
