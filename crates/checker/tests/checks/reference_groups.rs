//! The anomalies of readers and groups by their definitions, slowly and
//! obviously: every operation kept, every one looked at.

use std::collections::{BTreeMap, BTreeSet};

use checker::{GroupCoverage, ZombieCoverage};
use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event, Outcome};
use model::ids::{GroupIx, MemberIx, Micros, PartitionRef};

type Of = (GroupIx, PartitionRef);

/// A member's time with a partition.
type Tenure = (MemberIx, Micros);

struct Commit {
    at: Micros,
    tenure: Tenure,
    offset: i64,
}

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
    /// What was done by nobody knows whom.
    strays: u64,
    imported: bool,
    pinned: BTreeMap<PartitionRef, (i64, i64)>,
    read: BTreeSet<PartitionRef>,
    data: BTreeSet<(PartitionRef, i64)>,
    acknowledged: BTreeSet<(PartitionRef, i64)>,
    processed: BTreeMap<Of, Vec<i64>>,
    /// From one offset to the next, in one assignment.
    steps: Vec<(Of, i64, i64)>,
    commits: BTreeMap<Of, Vec<Commit>>,
    reported: BTreeMap<Of, Option<i64>>,
    waited: BTreeSet<GroupIx>,
}

fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut groups: BTreeMap<MemberIx, (GroupIx, Micros)> = BTreeMap::new();
    let mut held: BTreeMap<(MemberIx, PartitionRef), (Micros, Option<i64>)> = BTreeMap::new();
    let mut in_hand: BTreeMap<(MemberIx, PartitionRef), usize> = BTreeMap::new();
    for Event { at, body } in events {
        match body {
            Body::MemberStarted { member, group } => {
                groups.insert(*member, (*group, *at));
                said.just_taken.remove(member);
                said.last.insert(*member, *at);
                held.retain(|(of, _), _| of != member);
                in_hand.retain(|(of, _), _| of != member);
            }
            Body::Assigned { member, partitions } if groups.contains_key(member) => {
                for partition in partitions {
                    held.insert((*member, *partition), (*at, None));
                    let before = in_hand.insert((*member, *partition), said.hands.len());
                    let before = before.map(|before| &said.hands[before]);
                    let reached_before =
                        before.and_then(|before| before.reached.max(before.reached_before));
                    said.hands.push(Hand {
                        of: (groups[member].0, *partition),
                        member: *member,
                        since: *at,
                        taken: false,
                        first: None,
                        reached: None,
                        reached_before,
                        confirmed: false,
                    });
                }
            }
            Body::Revoked { member, partitions } => {
                for partition in partitions {
                    if let Some((_, last)) = held.get_mut(&(*member, *partition)) {
                        *last = None;
                    }
                    if let Some(hand) = in_hand.get(&(*member, *partition)) {
                        let taken = std::mem::replace(&mut said.hands[*hand].taken, true);
                        *said.just_taken.entry(*member).or_default() += u64::from(!taken);
                    }
                }
            }
            Body::Repositioned {
                member,
                partition,
                next,
            } => {
                if let Some((_, last)) = held.get_mut(&(*member, *partition)) {
                    *last = next.map(|next| next.get() - 1);
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => {
                said.given.insert((*from, offset.get()));
                let Some((group, _)) = groups.get(member) else {
                    said.strays += 1;
                    continue;
                };
                said.act(*member, *at);
                let of = (*group, *from);
                let (_, last) = held.entry((*member, *from)).or_insert((*at, None));
                if let Some(last) = last.replace(offset.get()) {
                    said.steps.push((of, last, offset.get()));
                }
                said.processed.entry(of).or_default().push(offset.get());
                if let Some(number) = in_hand.get(&(*member, *from)).copied() {
                    let on_record = said.hands.len();
                    let hand = &mut said.hands[number];
                    if hand.taken {
                        said.told += 1;
                    } else {
                        hand.first.get_or_insert(offset.get());
                        hand.reached = hand.reached.max(Some(offset.get() + 1));
                        said.untold.push((number, *at, on_record));
                    }
                }
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let Some((group, started)) = groups.get(member) else {
                    said.strays += 1;
                    continue;
                };
                said.act(*member, *at);
                let since = held.get(&(*member, *partition)).map(|(since, _)| *since);
                let commits = said.commits.entry((*group, *partition)).or_default();
                commits.push(Commit {
                    at: *at,
                    tenure: (*member, since.unwrap_or(*started)),
                    offset: offset.get(),
                });
                if let Some(number) = in_hand.get(&(*member, *partition)) {
                    let hand = &mut said.hands[*number];
                    if let (true, Some(reached)) = (hand.taken, hand.reached) {
                        said.passed.push((*partition, reached, offset.get()));
                    }
                    let explained = hand.first.max(hand.reached_before);
                    hand.confirmed |= !hand.taken
                        && hand.first.is_some()
                        && explained.is_some_and(|explained| offset.get() > explained);
                }
            }
            Body::Imported { .. } => said.imported = true,
            Body::GroupOffset {
                group,
                partition,
                offset,
            } => {
                let offset = offset.map(model::ids::Offset::get);
                said.reported.insert((*group, *partition), offset);
            }
            Body::GroupWaited { group, .. } => {
                said.waited.insert(*group);
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                said.pinned.insert(*partition, (log_start.get(), end.get()));
            }
            Body::PartitionRead { partition } => {
                said.read.insert(*partition);
            }
            Body::SendCompleted {
                outcome: Outcome::Acknowledged { at, offset },
                ..
            } => {
                said.acknowledged.insert((*at, offset.get()));
            }
            Body::Stored {
                partition, offset, ..
            } => {
                said.data.insert((*partition, offset.get()));
            }
            _ => {}
        }
    }
    said
}

/// How often the committed position went back.
fn regressions(commits: &[Commit], reported: Option<&Option<i64>>) -> u64 {
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
        let before = own.or(inherited).map(|before| before.offset);
        count += u64::from(before.is_some_and(|before| before > commit.offset));
    }
    let last = sorted.last().map(|commit| commit.offset);
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
    for (_, partition) in declared {
        let given = said.data.iter().filter(|(of, _)| of == partition);
        let end = given.map(|(_, offset)| offset + 1).max();
        said.pinned.insert(*partition, (0, end.unwrap_or(0)));
        said.read.insert(*partition);
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

    /// How far a group has committed, by whoever knows.
    fn committed(&self, of: &Of) -> i64 {
        let commits = self.commits.get(of).into_iter().flatten();
        let highest = commits.map(|commit| commit.offset);
        let reported = self.reported.get(of).copied().flatten();
        highest.chain(reported).max().unwrap_or(0)
    }

    fn has_processed(&self, of: &Of, offset: i64) -> bool {
        let processed = self.processed.get(of);
        processed.is_some_and(|processed| processed.contains(&offset))
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
    for of in declared.iter().filter(|(of, _)| *of == group) {
        let partition = &of.1;
        let commits = said.commits.get(of).map_or(0, Vec::len);
        covered.commits += commits as u64;
        let processed = said.processed.get(of).cloned().unwrap_or_default();
        let distinct: BTreeSet<i64> = processed.iter().copied().collect();
        covered.processed += processed.len() as u64;
        covered.reprocessed += (processed.len() - distinct.len()) as u64;
        let steps = said.steps.iter().filter(|(it, ..)| it == of);
        covered.steps += steps.count() as u64;
        let Some(start) = said.start_of_read(*partition) else {
            continue;
        };
        let committed = said.committed(of);
        for offset in 0..start {
            let acknowledged = said.acknowledged.contains(&(*partition, offset));
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
        for offset in said.in_log(*partition) {
            covered.stored += 1;
            covered.below_committed += u64::from(offset < committed);
            if said.has_processed(of, offset) {
                covered.distinct += 1;
            } else if offset < committed {
                covered.gaps += 1;
            } else {
                covered.behind += 1;
            }
        }
    }
    covered
}

/// How often a member could have become a zombie, and how much was done by
/// members that nobody started.
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
    for ((_, partition), from, to) in &said.steps {
        let skipped = in_log(partition)
            .into_iter()
            .filter(|offset| from < offset && offset < to);
        add(Anomaly::PollSkip, skipped.count());
        add(Anomaly::NonmonotonicPoll, usize::from(to <= from));
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
    for processed in said.processed.values() {
        let distinct: BTreeSet<i64> = processed.iter().copied().collect();
        add(Anomaly::Reprocessed, processed.len() - distinct.len());
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
        let regressions = regressions(commits, said.reported.get(&of));
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
        for (at, offset) in &said.acknowledged {
            let passed = (0..start.min(highest)).contains(offset);
            if at == partition && passed && !said.has_processed(of, *offset) {
                add(Anomaly::GroupGap, 1);
            }
        }
        for offset in in_log(partition) {
            if said.has_processed(of, offset) {
                continue;
            }
            if offset < highest {
                add(Anomaly::GroupGap, 1);
            } else if said.waited.contains(group) {
                add(Anomaly::GroupIncomplete, 1);
            }
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}
