//! Where the members of all groups stand: which partitions they hold, what they
//! processed last of each, and for which transaction. Knows nothing of the log
//! beyond which records are gone from it.

use model::event::{Body, Content, Event, TransactionOutcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::groups::commits::Tenure;
use crate::log::Ledger;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::reads::Inside;
use crate::txn::tracker::{Transactions, Tx};

/// Where the members of all groups stand.
#[derive(Default)]
pub(super) struct Positions {
    members: Table<Member>,
    pub(super) inside: Inside,
}

/// One incarnation of a consumer.
#[derive(Default)]
struct Member {
    pub(super) group: GroupIx,
    started: Micros,
    held: PartitionTable<Assignment>,
}

/// A partition in a member's hands.
#[derive(Clone, Copy, Default)]
struct Assignment {
    /// When it was given; none before anything is known of it.
    since: Option<Micros>,
    /// What the member processed last; none right after the assignment.
    pub(super) last: Option<Given>,
    /// For which transaction it did.
    pub(super) inside: Option<Tx>,
    /// Of what it processed, the last that stands there still and the last that
    /// does not, and for which transaction it did; known in another reading.
    stored_records: Option<(Given, Option<Tx>)>,
    pub(super) gone: Option<(Given, Option<Tx>)>,
}

/// A record that a member was given, and where.
#[derive(Clone, Copy)]
pub(super) struct Given {
    pub(super) offset: Offset,
    /// None where the member was set to this offset by hand.
    pub(super) content: Option<Content>,
}

impl Given {
    /// Whether it does not stand there any more: the log was cut or made again
    /// since.
    pub(super) fn is_past(self, log: &Ledger, partition: PartitionRef) -> bool {
        let content = self.content;
        content.is_some_and(|content| log.past().holds(partition, self.offset, content))
    }
}

/// From which record a member of which group came to one that it processed.
pub(super) struct Step {
    pub(super) group: GroupIx,
    pub(super) from: Option<Given>,
    /// The transaction for which it did.
    pub(super) inside: Option<Tx>,
}

/// Whether two steps belong to one transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    OneTransaction,
    Nothing,
}

impl Within {
    pub(super) fn of(one: Option<Tx>, other: Option<Tx>) -> Self {
        if one.is_some() && one == other {
            Self::OneTransaction
        } else {
            Self::Nothing
        }
    }
}

impl Positions {
    /// Follows an event that gives or takes partitions, or moves a member; to
    /// be shown it after the transactions have seen it.
    pub(super) fn observe(&mut self, event: &Event, transactions: &Transactions) {
        match &event.body {
            Body::MemberStarted { member, group } => {
                let started = Member {
                    group: *group,
                    started: event.at,
                    held: PartitionTable::default(),
                };
                self.members.insert(member.get().into(), started);
            }
            Body::Assigned { member, partitions } => {
                if let Some(member) = self.members.get_mut(member.get().into()) {
                    for partition in partitions {
                        let since = Some(event.at);
                        let given = Assignment {
                            since,
                            ..Assignment::default()
                        };
                        member.held.insert(*partition, given);
                    }
                }
            }
            Body::Revoked { member, partitions } => {
                if let Some(member) = self.members.get_mut(member.get().into()) {
                    for partition in partitions {
                        if let Some(held) = member.held.get_mut(*partition) {
                            held.last = None;
                            held.stored_records = None;
                            held.gone = None;
                        }
                    }
                }
            }
            Body::Repositioned {
                member,
                partition,
                next,
            } => self.repositioned(*member, *partition, *next),
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                let tx = transactions.find(*transaction);
                if let Some(tx) = tx.filter(|_| *outcome != TransactionOutcome::Committed) {
                    self.rewind(tx);
                }
                self.inside.observe(&event.body, transactions);
            }
            Body::TransactionJoined { .. } => self.inside.observe(&event.body, transactions),
            _ => {}
        }
    }

    fn repositioned(&mut self, by: MemberIx, partition: PartitionRef, next: Option<Offset>) {
        if let Some(member) = self.members.get_mut(by.get().into())
            && let Some(held) = member.held.get_mut(partition)
        {
            held.last = next.map(|next| Given {
                offset: Offset::new(next.get().saturating_sub(1)),
                content: None,
            });
            held.inside = None;
            held.stored_records = held.last.map(|last| (last, None));
            held.gone = None;
        }
    }

    /// What was read for a transaction that did not commit is read again.
    fn rewind(&mut self, tx: Tx) {
        for member in self.inside.members(tx) {
            if let Some(member) = self.members.get_mut(member.get().into()) {
                for held in member.held.values_mut() {
                    if held.inside == Some(tx) {
                        held.last = None;
                        held.stored_records = None;
                        held.gone = None;
                    }
                }
            }
        }
    }

    /// A member processed a record; none where the member was never started.
    #[inline]
    pub(super) fn step(
        &mut self,
        at: Micros,
        member: MemberIx,
        partition: PartitionRef,
        given: Given,
    ) -> Option<Step> {
        let inside = self.inside.of(member);
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.entry(partition);
        held.since.get_or_insert(at);
        held.inside = inside;
        Some(Step {
            group: member.group,
            from: held.last.replace(given),
            inside,
        })
    }

    /// Notes whether what the member processed last is gone; what it had
    /// processed before it of the same kind, and whether for the same
    /// transaction.
    pub(super) fn compare(
        &mut self,
        member: MemberIx,
        partition: PartitionRef,
        is_gone: bool,
    ) -> Option<(Given, Within)> {
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.get_mut(partition)?;
        let now = held.last.map(|last| (last, held.inside));
        let kind = if is_gone {
            &mut held.gone
        } else {
            &mut held.stored_records
        };
        let (before, inside) = std::mem::replace(kind, now)?;
        Some((before, Within::of(inside, held.inside)))
    }

    pub(super) fn group(&self, member: MemberIx) -> Option<GroupIx> {
        let known = self.members.get(member.get().into())?;
        Some(known.group)
    }

    /// What a member processed last of a partition that it holds.
    pub(super) fn last(&self, member: MemberIx, partition: PartitionRef) -> Option<Given> {
        let known = self.members.get(member.get().into())?;
        known.held.get(partition)?.last
    }

    /// The group and the tenure of a member's commit; none where there was no
    /// such member.
    pub(super) fn tenure(
        &self,
        member: MemberIx,
        partition: PartitionRef,
    ) -> Option<(GroupIx, Tenure)> {
        let known = self.members.get(member.get().into())?;
        let since = known.held.get(partition).and_then(|held| held.since);
        let since = since.unwrap_or(known.started);
        Some((known.group, Tenure { since, member }))
    }
}
