//! The operations of transactions, replicas and assignments in a proof. Knows
//! nothing of records' own.

use model::event::{Body, Event, Intent, TransactionOutcome};
use model::ids::TransactionRef;

use super::{Explainer, name, observed};
use crate::finding::Watch;
use crate::roster::Roster;

impl Explainer {
    pub(super) fn observe_cluster(&mut self, event: &Event) {
        let at = Some(event.at);
        match &event.body {
            Body::TransactionBegun { transaction } => {
                self.note_transaction(event, *transaction, |_| format!("began {transaction}"));
            }
            Body::TransactionEnding {
                transaction,
                intent,
            } => {
                let what = match intent {
                    Intent::Commit => "committed",
                    Intent::Abort => "aborted",
                };
                self.note_transaction(event, *transaction, |_| {
                    format!("asked for {transaction} to be {what}")
                });
            }
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => self.note_transaction(event, *transaction, |_| match outcome {
                TransactionOutcome::Committed => format!("{transaction} was committed"),
                TransactionOutcome::Aborted => format!("{transaction} was aborted"),
                TransactionOutcome::Fenced => format!("{transaction} was fenced"),
                TransactionOutcome::Unknown { error } => {
                    format!("{transaction} may or may not have been committed: {error}")
                }
            }),
            Body::TransactionJoined {
                transaction,
                member,
            } => self.note_transaction(event, *transaction, |roster| {
                format!(
                    "{} reads for {transaction}",
                    roster.member_of_group(*member)
                )
            }),
            Body::OffsetSent {
                transaction,
                group,
                partition,
                offset,
            } => {
                let cases = self.cases_of(&[
                    Watch::Transaction(*transaction),
                    Watch::CommitOf(*group, *partition, *offset),
                ]);
                self.note(&cases, at, |roster| {
                    let (group, partition) = (roster.group(*group), roster.partition(*partition));
                    let what =
                        format!("handed {offset} of {partition} for {group} to {transaction}");
                    (roster.producer(transaction.producer), what)
                });
            }
            Body::Assigned { member, partitions } | Body::Revoked { member, partitions } => {
                let Some(group) = self.roster.group_of(*member) else {
                    return;
                };
                let verb = match event.body {
                    Body::Assigned { .. } => "was given",
                    _ => "lost",
                };
                for partition in partitions {
                    let cases = self.cases_of(&[Watch::Hands(group, *partition)]);
                    self.note(&cases, at, |roster| {
                        let what = format!("{verb} {}", roster.partition(*partition));
                        (roster.member_of_group(*member), what)
                    });
                }
            }
            Body::TailSeen { partition, end } => {
                let cases = self.cases_of(&[Watch::Ends(*partition)]);
                self.note(&cases, at, |roster| {
                    observed(format!(
                        "{} reached up to {end}",
                        roster.partition(*partition)
                    ))
                });
            }
            Body::Pinned { partition, end, .. } => {
                let cases = self.cases_of(&[Watch::Ends(*partition)]);
                self.note(&cases, at, |roster| {
                    observed(format!("{} ended at {end}", roster.partition(*partition)))
                });
            }
            Body::Derived {
                record,
                group,
                from,
                offset,
            } => {
                let origin = Watch::MadeOf(*group, *from, *offset);
                let cases = self.cases_of(&[origin, Watch::Record(*record)]);
                // What becomes of it is told later.
                for case in self.cases_of(&[origin]) {
                    let watching = self.watched.entry(Watch::Record(*record)).or_default();
                    if !watching.contains(&case) {
                        watching.push(case);
                    }
                }
                self.note(&cases, at, |roster| {
                    let (group, from) = (roster.group(*group), roster.partition(*from));
                    let what = format!("made {record} of {from}@{offset} ({group})");
                    (roster.producer(record.producer), what)
                });
            }
            Body::ReplicaStored {
                partition,
                broker,
                offset,
                content,
            } => {
                let cases = self.cases_of(&[Watch::Position(*partition, *offset)]);
                self.note(&cases, None, |roster| {
                    observed(format!(
                        "{} stands at {}@{offset} on broker {broker}",
                        name(content),
                        roster.partition(*partition)
                    ))
                });
            }
            _ => {}
        }
    }

    fn note_transaction(
        &mut self,
        event: &Event,
        transaction: TransactionRef,
        say: impl FnOnce(&Roster) -> String,
    ) {
        let cases = self.cases_of(&[Watch::Transaction(transaction)]);
        self.note(&cases, Some(event.at), |roster| {
            (roster.producer(transaction.producer), say(roster))
        });
    }
}
