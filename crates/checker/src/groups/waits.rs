//! How groups stood when the wait for them was over: whether what they had not
//! processed by then was still coming, or never came. Knows nothing of what
//! stands in the log.
//!
//! Slow is not stopped. A group is left to read from its `WaitBegan` to its
//! `GroupWaited`; where that ended before its limit, the group had come to the
//! end of what was there, and nothing here applies. Where the time was up:
//!
//! - A record *moves a group on* when a member processes it during the wait,
//!   behind everything that the group processed of the partition during the
//!   wait: what is read again and again is no progress.
//! - A member *goes on* as long as its records move its group on. It was going
//!   on at the end if the silence since the last of them was no longer than
//!   twice the longest silence between two of them, or than [`SILENCE`]; and if
//!   no silence took more than half of the time, or than [`SILENCE`]. Time in
//!   which a fault was in force, or in which the brokers told the member to
//!   wait (`throttle_time_ms`), is no silence. A member that moved nothing goes
//!   on only where the brokers told it to wait for half of the time or more.
//! - A record that was not processed, behind what moved the group on, is *still
//!   to come* where the member that has its partition was going on. One member
//!   may read its partitions one after the other, so it is the member that is
//!   asked, and not the partition.
//!
//! And where faults were in force for more than half of the wait, a group that
//! does not go on was not given the time.
//!
//! What a member's client cannot do, it cannot be held to the pipeline: where a
//! partition was in the hands of a member whose client reported that it is not
//! made for what it was given, or that the brokers do not allow it ackproof
//! (and no fault was in force that could have said so), what the group lacks
//! of the partition is the *instrument's limit*. Every other error (a position
//! out of range, a record larger than its configuration takes, a topic that is
//! not there) is what the pipeline and its configuration do: it is told, and
//! excuses nothing.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Body, ClientRef, ErrorCause, Event};
use model::ids::{FaultIx, GroupIx, MemberIx, Micros, Offset, PartitionRef};

/// A silence that says nothing: a client that is busy elsewhere, a rebalance,
/// a pause for breath.
const SILENCE: u64 = 5_000_000;
/// Moments closer together than this are one stretch.
const ONE_STRETCH: u64 = 1_000_000;
/// How long before it is told of it a client may have been throttled: how often
/// clients look at themselves.
const TOLD_LATE: u64 = 1_000_000;

/// From when to when, in microseconds.
type Span = (u64, u64);

/// The waits for all groups.
#[derive(Default)]
pub(crate) struct Waits {
    groups_of: BTreeMap<MemberIx, GroupIx>,
    groups: BTreeMap<GroupIx, Wait>,
    /// Groups that are being waited for.
    open: usize,
    faults: BTreeMap<FaultIx, (Micros, Option<Micros>)>,
}

/// The wait for one group.
#[derive(Default)]
struct Wait {
    began: Option<Micros>,
    /// When it was over, and its limit in milliseconds.
    over: Option<(Micros, u64)>,
    /// The member that has each partition, or until when it had it.
    holders: BTreeMap<PartitionRef, (MemberIx, Option<Micros>)>,
    /// The farthest record of each partition that moved the group on.
    marks: BTreeMap<PartitionRef, Offset>,
    /// How many records moved it on.
    moved: u64,
    members: BTreeMap<MemberIx, Progress>,
    /// What clients were not able to do, or not allowed to: which partitions
    /// were theirs, when, and which of the two it is.
    limits: Vec<Limit>,
}

/// How a member went on.
#[derive(Default)]
struct Progress {
    /// Stretches in which it moved its group on.
    stretches: Vec<Span>,
    throttled: Vec<Span>,
}

struct Limit {
    at: Micros,
    member: MemberIx,
    cause: ErrorCause,
    partitions: BTreeSet<PartitionRef>,
    what: String,
}

/// What excuses a group for what it lacks of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excuse {
    /// From which offset on records were still to come.
    pub(crate) to_come_from: Option<Offset>,
    /// Whether faults took the time that it was to be given.
    pub(crate) hindered: bool,
    /// What its member's client could not do.
    pub(crate) limit: Option<String>,
}

/// Groups of which a lack may be excused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excusable {
    /// Their time was up before they had come to the end.
    pub(crate) late: BTreeSet<GroupIx>,
    /// Their clients reported that they cannot read something.
    pub(crate) limited: BTreeSet<GroupIx>,
}

impl Waits {
    /// Whether no group is waited for: then what is processed means nothing here.
    #[inline]
    pub(crate) const fn is_idle(&self) -> bool {
        self.open == 0
    }

    /// Takes in the next event of the first reading.
    pub(crate) fn observe(&mut self, event: &Event) {
        let at = event.at;
        match &event.body {
            Body::MemberStarted { member, group } => {
                self.groups_of.insert(*member, *group);
            }
            Body::WaitBegan { group } => {
                let wait = self.groups.entry(*group).or_default();
                if wait.began.is_none() && wait.over.is_none() {
                    wait.began = Some(at);
                    self.open += 1;
                }
            }
            Body::GroupWaited { group, limit_ms } => {
                let wait = self.groups.entry(*group).or_default();
                if wait.over.is_none() {
                    wait.over = Some((at, *limit_ms));
                    self.open -= usize::from(wait.began.is_some());
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => {
                if let Some(wait) = self.wait_of(*member) {
                    wait.processed(at, *member, *from, *offset);
                }
            }
            Body::Assigned { member, partitions } => {
                if let Some(wait) = self.wait_of(*member) {
                    for partition in partitions {
                        wait.holders.insert(*partition, (*member, None));
                    }
                }
            }
            Body::Revoked { member, partitions } => {
                if let Some(wait) = self.wait_of(*member) {
                    for partition in partitions {
                        wait.let_go(at, *member, |of| of == partition);
                    }
                }
            }
            Body::MemberEnded { member, .. } => {
                if let Some(wait) = self.wait_of(*member) {
                    wait.let_go(at, *member, |_| true);
                }
            }
            Body::Throttled {
                client: ClientRef::Member(member),
                throttle_ms,
            } => {
                if let Some(wait) = self.wait_of(*member) {
                    let from = at.get().saturating_sub(TOLD_LATE);
                    let until = at.get().saturating_add(throttle_ms.saturating_mul(1000));
                    let going = wait.members.entry(*member).or_default();
                    going.throttled.push((from, until));
                }
            }
            Body::ClientErred {
                client: ClientRef::Member(member),
                cause: cause @ (ErrorCause::Unable | ErrorCause::NotAllowed),
                error,
                ..
            } => {
                if let Some(wait) = self.wait_of(*member) {
                    wait.limited(at, *member, *cause, error);
                }
            }
            Body::FaultInjected { fault } => {
                self.faults.entry(*fault).or_insert((at, None));
            }
            Body::FaultHealed { fault } => {
                if let Some((_, healed)) = self.faults.get_mut(fault) {
                    healed.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// The wait for a member's group, as long as it is not over.
    fn wait_of(&mut self, member: MemberIx) -> Option<&mut Wait> {
        let group = *self.groups_of.get(&member)?;
        let wait = self.groups.entry(group).or_default();
        wait.over.is_none().then_some(wait)
    }

    /// What excuses a group for what it lacks of a partition.
    pub(crate) fn excuse(&self, group: GroupIx, partition: PartitionRef) -> Excuse {
        let Some(wait) = self.groups.get(&group) else {
            return Excuse::default();
        };
        let mut excuse = Excuse {
            limit: self.limit(group, partition).map(str::to_owned),
            ..Excuse::default()
        };
        let Some((began, over)) = wait.ran_out() else {
            return excuse;
        };
        let faults = self.faults_in_force();
        if wait.is_still_coming(partition, (began, over), &faults) {
            let mark = wait.marks.get(&partition);
            let behind = mark.map_or(0, |mark| mark.get().saturating_add(1));
            excuse.to_come_from = Some(Offset::new(behind));
        } else {
            let given = outside(&faults, began, over);
            excuse.hindered = given < (over - began) / 2;
        }
        excuse
    }

    /// What the client of a member that had the partition reported that it
    /// cannot read, or is not allowed to.
    pub(crate) fn limit(&self, group: GroupIx, partition: PartitionRef) -> Option<&str> {
        let mut limits = self.groups.get(&group)?.limits.iter();
        let limit = limits.find(|limit| {
            let by_fault = limit.cause == ErrorCause::NotAllowed && self.is_in_force(limit.at);
            limit.partitions.contains(&partition) && !by_fault
        });
        limit.map(|limit| limit.what.as_str())
    }

    /// The groups of which a lack may be excused: those whose time was up, and
    /// those whose clients have limits.
    pub(crate) fn excusable(&self) -> Excusable {
        let of = |which: fn(&Wait) -> bool| {
            let groups = self.groups.iter();
            let groups = groups.filter(move |(_, wait)| which(wait));
            groups.map(|(group, _)| *group).collect()
        };
        Excusable {
            late: of(|wait| wait.ran_out().is_some()),
            limited: of(|wait| !wait.limits.is_empty()),
        }
    }

    /// How many records moved the group on while it was waited for, and for
    /// how long that was, in milliseconds.
    pub(crate) fn moved(&self, group: GroupIx) -> Option<(u64, u64)> {
        let wait = self.groups.get(&group)?;
        let (began, over) = wait.ran_out()?;
        Some((wait.moved, (over - began) / 1000))
    }

    fn is_in_force(&self, at: Micros) -> bool {
        self.faults
            .values()
            .any(|(from, until)| *from <= at && until.is_none_or(|until| at <= until))
    }

    /// When any fault was in force, in order and without overlaps.
    fn faults_in_force(&self) -> Vec<Span> {
        let spans = self.faults.values();
        let never = u64::MAX;
        let spans = spans.map(|(from, until)| (from.get(), until.map_or(never, Micros::get)));
        merged(spans.collect())
    }
}

impl Wait {
    fn processed(&mut self, at: Micros, member: MemberIx, from: PartitionRef, offset: Offset) {
        if self.began.is_none_or(|began| at < began) {
            return;
        }
        let mark = self.marks.entry(from).or_insert(Offset::new(-1));
        if offset <= *mark {
            return;
        }
        *mark = offset;
        self.moved += 1;
        let stretches = &mut self.members.entry(member).or_default().stretches;
        match stretches.last_mut() {
            Some((_, end)) if at.get() <= end.saturating_add(ONE_STRETCH) => {
                *end = (*end).max(at.get());
            }
            _ => stretches.push((at.get(), at.get())),
        }
    }

    fn let_go(&mut self, at: Micros, by: MemberIx, which: impl Fn(&PartitionRef) -> bool) {
        for (partition, (holder, until)) in &mut self.holders {
            if *holder == by && which(partition) {
                until.get_or_insert(at);
            }
        }
    }

    fn limited(&mut self, at: Micros, member: MemberIx, cause: ErrorCause, what: &str) {
        let held = self.holders.iter();
        let held = held.filter(|(_, (holder, until))| *holder == member && until.is_none());
        let held: BTreeSet<PartitionRef> = held.map(|(partition, _)| *partition).collect();
        let known = self.limits.iter_mut();
        let mut known = known.filter(|limit| limit.member == member && limit.cause == cause);
        // One that a fault may explain excuses nothing, and another may.
        match known.find(|limit| limit.partitions == held && cause == ErrorCause::Unable) {
            Some(_) => {}
            None => self.limits.push(Limit {
                at,
                member,
                cause,
                partitions: held,
                what: what.to_owned(),
            }),
        }
    }

    /// From when to when it was waited for, where the time was up.
    fn ran_out(&self) -> Option<Span> {
        let (began, (over, limit_ms)) = (self.began?, self.over?);
        let waited = over.since(began).get();
        (waited > 0 && waited >= limit_ms.saturating_mul(1000)).then(|| (began.get(), over.get()))
    }

    /// Whether the member that has the partition was going on at the end.
    fn is_still_coming(&self, partition: PartitionRef, wait: Span, faults: &[Span]) -> bool {
        let (began, over) = wait;
        let Some((holder, until)) = self.holders.get(&partition) else {
            return false;
        };
        let lost = until.is_some_and(|until| until.get().saturating_add(SILENCE) < over);
        let Some(going) = self.members.get(holder).filter(|_| !lost) else {
            return false;
        };
        going.is_on(began, over, faults)
    }
}

impl Progress {
    fn is_on(&self, began: u64, over: u64, faults: &[Span]) -> bool {
        let excused = merged(faults.iter().chain(&self.throttled).copied().collect());
        let given = outside(&excused, began, over);
        let (Some((first, _)), Some((_, last))) = (self.stretches.first(), self.stretches.last())
        else {
            let without = outside(faults, began, over);
            return without > 0 && given <= without / 2;
        };
        let pairs = self.stretches.windows(2);
        let between = pairs.filter_map(|pair| match pair {
            [(_, end), (next, _)] => Some(outside(&excused, *end, *next)),
            _ => None,
        });
        let between = between.max().unwrap_or(0);
        let (before, since) = (
            outside(&excused, began, *first),
            outside(&excused, *last, over),
        );
        let longest = before.max(between).max(since);
        since <= SILENCE.max(between.saturating_mul(2)) && longest <= SILENCE.max(given / 2)
    }
}

/// Spans in order, those that touch made one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

/// How much of a time lies outside of all spans, which are in order and do not
/// overlap.
fn outside(spans: &[Span], from: u64, until: u64) -> u64 {
    let inside = spans.iter().map(|(start, end)| {
        let (start, end) = ((*start).max(from), (*end).min(until));
        end.saturating_sub(start)
    });
    until.saturating_sub(from) - inside.sum::<u64>()
}
