//! zombie-processing: members that went on with a partition which was theirs
//! no more. Knows nothing of what they read.
//!
//! Sources are interleaved and reports may be slow, so only two orders prove
//! that an assignment had ended:
//!
//! - The member said so itself. Behind its own *revoked*, and before it is
//!   given the partition again, whatever it processes counts, since events of
//!   one source come in their own order. An accepted commit counts when it
//!   passes a record that the member had not reached when the partition was
//!   taken: the answer to an earlier commit may come late, but not to one of a
//!   position that did not exist.
//! - Another member of its group took over. It was *assigned* the partition
//!   later, processed a record of it and had a commit past this record
//!   accepted. An assignment report alone proves nothing: a paused process may
//!   learn late of an assignment that has long ended. The commit does: the
//!   coordinator takes it from the partition's owner only, and it came after
//!   the report, so that the assignment was in force then, and every earlier
//!   one was over. What the first member processed behind the report counts,
//!   by its time and by its place in the history.
//!   Both moments are read from one monotonic clock, so this way is closed for
//!   histories that another tool recorded, perhaps on several hosts.
//!
//! Each record processed and each commit counts, unless it was processed for a
//! transaction that is not known to have committed: fencing the zombie's
//! transaction is how Kafka undoes what it does. A member of which neither can
//! be said is no zombie.
//!
//! Held: an entry for each assignment of a partition, and for each processing
//! in question.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::analyzer::{Analyzer, PROCESSED};
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::log::Ledger;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::outcomes::TxnOutcome;
use crate::txn::reads::Inside;
use crate::txn::tracker::Tx;

/// A partition in a member's hands.
#[derive(Clone, Copy, Debug)]
struct Holding {
    member: MemberIx,
    since: Micros,
    /// Whether the member said that it was taken.
    taken: bool,
    first_processed: Option<Offset>,
    /// Behind the farthest record that was processed before it was taken.
    reached: Option<Offset>,
    /// How far the member's earlier holdings of the partition had reached.
    reached_before: Option<Offset>,
    /// Whether the coordinator took a commit that only this holding explains.
    confirmed: bool,
}

impl Holding {
    /// Whether it is another member's that began after this one and before then.
    fn overtakes(&self, before: &Self, then: Micros) -> bool {
        self.member != before.member && before.since < self.since && self.since < then
    }
}

#[derive(Clone, Debug)]
struct Member {
    group: GroupIx,
    /// What it holds, or held last, of each partition.
    holdings: PartitionTable<usize>,
    /// Partitions that were taken from it since it last did anything.
    just_taken: u64,
    /// When it last did anything.
    last: Micros,
}

/// Something done with a partition that may have been another's.
#[derive(Clone, Copy, Debug)]
struct Access {
    member: MemberIx,
    offset: Offset,
    /// The transaction for which it was done.
    inside: Option<Tx>,
    why: WhyLate,
}

#[derive(Clone, Copy, Debug)]
enum WhyLate {
    /// Processed behind its own revocation.
    Taken,
    /// Committed behind its own revocation, having reached so far before.
    Committed { reached: Offset },
    /// Processed at this moment by the holding of this number, when so many
    /// were known.
    Overtaken {
        holding: usize,
        known: usize,
        at: Micros,
    },
}

/// Which member held which partition, and what it did afterwards.
#[derive(Default)]
pub(crate) struct Zombies {
    members: Table<Member>,
    hands: Table<PartitionTable<Vec<Holding>>>,
    accesses: BTreeMap<(GroupIx, PartitionRef), Vec<Access>>,
    outlived: u64,
    inside: Inside,
}

/// How often a member could have become a zombie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZombieCoverage {
    /// Partitions that were taken from a member which went on processing or
    /// committing others, or the same one when it got it back.
    pub outlived: u64,
    /// Partitions that provably went over to another member while the former
    /// had not been told.
    pub overtaken: u64,
}

impl Analyzer for Zombies {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = ZombieCoverage;

    const FREQUENT: u8 = PROCESSED;

    fn observe(&mut self, event: &Event, context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::MemberStarted { member, group } => {
                let started = Member {
                    group: *group,
                    holdings: PartitionTable::default(),
                    just_taken: 0,
                    last: event.at,
                };
                self.members.insert(member.get().into(), started);
            }
            Body::Assigned { member, partitions } => {
                for partition in partitions {
                    self.assigned(event.at, *member, *partition);
                }
            }
            Body::Revoked { member, partitions } => {
                for partition in partitions {
                    self.revoked(*member, *partition);
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => self.processed(event.at, *member, *from, *offset),
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => self.committed(event.at, *member, *partition, *offset),
            Body::TransactionJoined { .. } | Body::TransactionCompleted { .. } => {
                self.inside.observe(&event.body, &context.transactions);
            }
            _ => {}
        }
    }

    /// Finds what was done by members that certainly had lost the partition.
    fn settle(
        &mut self,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        let Context {
            names, provenance, ..
        } = context;
        for ((group, partition), accesses) in &self.accesses {
            let of = self.hands.get(group.get().into());
            let hands = of.and_then(|of| of.get(*partition));
            let hands = hands.map_or(&[][..], Vec::as_slice);
            let undone = |access: &&Access| {
                let outcome = access.inside.map(|tx| context.txn_outcomes.outcome(tx));
                outcome.is_some_and(|outcome| outcome != TxnOutcome::Committed)
            };
            for access in accesses.iter().filter(|access| !undone(access)) {
                let passes = |reached: Offset| {
                    let log = log.partition(*partition);
                    let mut passed = log
                        .into_iter()
                        .flat_map(|log| log.data(reached.get(), access.offset.get()));
                    passed.next().is_some()
                };
                let what = match access.why {
                    WhyLate::Taken => "processed it after the partition was taken".to_owned(),
                    WhyLate::Committed { reached } if passes(reached) => {
                        format!("committed it after the partition was taken at {reached}")
                    }
                    WhyLate::Overtaken { holding, known, at } if !provenance.is_imported() => {
                        let mut others = hands[holding + 1..known].iter();
                        let owner = others
                            .find(|other| other.confirmed && other.overtakes(&hands[holding], at));
                        let Some(owner) = owner else {
                            continue;
                        };
                        let owner = names.member(owner.member);
                        format!("processed it after {owner} had taken over")
                    }
                    WhyLate::Committed { .. } | WhyLate::Overtaken { .. } => continue,
                };
                let scope = Scope::Partition(*partition);
                collector.add(
                    Anomaly::ZombieProcessing,
                    scope,
                    access.offset.get(),
                    || {
                        let place = format!("{}@{}", names.partition(*partition), access.offset);
                        let member = names.member(access.member);
                        let who = format!("{member} of {}", names.group(*group));
                        let watch = vec![
                            Watch::Hands(*group, *partition),
                            Watch::Position(*partition, access.offset),
                            Watch::CommitOf(*group, *partition, access.offset),
                        ];
                        (format!("{place}: {who} {what}"), watch)
                    },
                );
            }
        }
        ZombieCoverage {
            outlived: self.outlived,
            overtaken: self
                .hands
                .values()
                .flat_map(PartitionTable::values)
                .map(|hands| self.overtaken(hands))
                .sum(),
        }
    }
}

impl Zombies {
    fn assigned(&mut self, at: Micros, by: MemberIx, partition: PartitionRef) {
        let Some(member) = self.members.get_mut(by.get().into()) else {
            return;
        };
        let of = self.hands.entry(member.group.get().into());
        let hands = of.entry(partition);
        let before = member.holdings.get(partition);
        let reached_before = before.and_then(|before| {
            let before = &hands[*before];
            before.reached.max(before.reached_before)
        });
        member.holdings.insert(partition, hands.len());
        hands.push(Holding {
            member: by,
            since: at,
            taken: false,
            first_processed: None,
            reached: None,
            reached_before,
            confirmed: false,
        });
    }

    fn revoked(&mut self, by: MemberIx, partition: PartitionRef) {
        let Some(member) = self.members.get_mut(by.get().into()) else {
            return;
        };
        let of = self.hands.get_mut(member.group.get().into());
        let hands = of.and_then(|of| of.get_mut(partition));
        let holding = member.holdings.get(partition);
        if let Some(holding) = hands.zip(holding).map(|(hands, at)| &mut hands[*at]) {
            member.just_taken += u64::from(!holding.taken);
            holding.taken = true;
        }
    }

    /// A member does something with a partition: which of all holdings of the
    /// partition is its own.
    fn holding_of(
        &mut self,
        at: Micros,
        by: MemberIx,
        partition: PartitionRef,
    ) -> Option<((GroupIx, PartitionRef), usize, &mut Vec<Holding>)> {
        let member = self.members.get_mut(by.get().into())?;
        self.outlived += std::mem::take(&mut member.just_taken);
        member.last = at;
        let number = member.holdings.get(partition).copied()?;
        let of = self.hands.get_mut(member.group.get().into())?;
        Some(((member.group, partition), number, of.get_mut(partition)?))
    }

    fn processed(&mut self, at: Micros, by: MemberIx, partition: PartitionRef, offset: Offset) {
        let Some((key, number, hands)) = self.holding_of(at, by, partition) else {
            return;
        };
        let holding = &mut hands[number];
        let why = if holding.taken {
            WhyLate::Taken
        } else {
            holding.first_processed.get_or_insert(offset);
            let behind = Offset::new(offset.get().saturating_add(1));
            holding.reached = holding.reached.max(Some(behind));
            let holding = hands[number];
            let mut others = hands[number + 1..].iter();
            if !others.any(|other| other.overtakes(&holding, at)) {
                return;
            }
            WhyLate::Overtaken {
                holding: number,
                known: hands.len(),
                at,
            }
        };
        let access = Access {
            member: by,
            offset,
            inside: self.inside.of(by),
            why,
        };
        self.accesses.entry(key).or_default().push(access);
    }

    fn committed(&mut self, at: Micros, by: MemberIx, partition: PartitionRef, offset: Offset) {
        let Some((key, number, hands)) = self.holding_of(at, by, partition) else {
            return;
        };
        let holding = &mut hands[number];
        if !holding.taken {
            let own = holding.first_processed.max(holding.reached_before);
            holding.confirmed |=
                holding.first_processed.is_some() && own.is_some_and(|own| offset > own);
            return;
        }
        if let Some(reached) = holding.reached.filter(|reached| offset > *reached) {
            let access = Access {
                member: by,
                offset,
                inside: None,
                why: WhyLate::Committed { reached },
            };
            self.accesses.entry(key).or_default().push(access);
        }
    }

    /// Holdings that another's confirmed one ended while the member, which
    /// had not been told, was still there.
    fn overtaken(&self, hands: &[Holding]) -> u64 {
        let ended = |(at, holding): &(usize, &Holding)| {
            let member = self.members.get(holding.member.get().into());
            let last = member.map(|member| member.last).unwrap_or_default();
            let mut later = hands[at + 1..].iter();
            !holding.taken && later.any(|other| other.confirmed && other.overtakes(holding, last))
        };
        hands.iter().enumerate().filter(ended).count() as u64
    }
}
