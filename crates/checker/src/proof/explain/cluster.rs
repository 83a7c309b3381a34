//! The operations of transactions, replicas and assignments in a proof. Knows
//! nothing of records' own.

use model::event::{Body, Event, Intent, TransactionOutcome};
use model::ids::TransactionRef;

use crate::finding::Watch;
use crate::names::Names;
use crate::proof::explain::words::{name, observed};
use crate::proof::explain::{Explainer, seen_at};

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
            } => self.note_transaction(event, *transaction, |names| {
                format!("{} reads for {transaction}", names.member_of_group(*member))
            }),
            Body::OffsetSent {
                transaction,
                group,
                partition,
                offset,
            } => {
                let cases = self.cases_of([
                    Watch::Transaction(*transaction),
                    Watch::CommitOf(*group, *partition, *offset),
                ]);
                self.note(&cases, at, |names| {
                    let (group, partition) = (names.group(*group), names.partition(*partition));
                    let what =
                        format!("handed {offset} of {partition} for {group} to {transaction}");
                    (names.producer(transaction.producer), what)
                });
            }
            Body::Assigned { member, partitions } | Body::Revoked { member, partitions } => {
                let Some(group) = self.names.group_of(*member) else {
                    return;
                };
                let verb = match event.body {
                    Body::Assigned { .. } => "was given",
                    _ => "lost",
                };
                for partition in partitions {
                    let cases = self.cases_of([Watch::Hands(group, *partition)]);
                    self.note(&cases, at, |names| {
                        let what = format!("{verb} {}", names.partition(*partition));
                        (names.member_of_group(*member), what)
                    });
                }
            }
            Body::TailSeen { partition, end } => {
                let cases = self.cases_of([Watch::Ends(*partition)]);
                self.note(&cases, at, |names| {
                    observed(format!(
                        "{} reached up to {end}",
                        names.partition(*partition)
                    ))
                });
            }
            Body::Pinned { partition, end, .. } => {
                let cases = self.cases_of([Watch::Ends(*partition)]);
                self.note(&cases, at, |names| {
                    observed(format!(
                        "the log of {} ended before offset {end}",
                        names.partition(*partition)
                    ))
                });
            }
            Body::Derived {
                record,
                group,
                from,
                offset,
            } => {
                let origin = Watch::MadeOf(*group, *from, *offset);
                let cases = self.cases_of([origin, Watch::Record(*record)]);
                // What becomes of it is told later.
                for case in self.cases_of([origin]) {
                    self.watched.add(Watch::Record(*record), case);
                }
                self.note(&cases, at, |names| {
                    let (group, from) = (names.group(*group), names.partition(*from));
                    let what = format!("made {record} of {from}@{offset} ({group})");
                    (names.producer(record.producer), what)
                });
            }
            Body::AppCommitted(committed) => {
                let cases = self.cases_of([Watch::AppCommit(committed.partition)]);
                self.note(&cases, at, |names| {
                    let partition = names.partition(committed.partition);
                    observed(match committed.next {
                        Some(next) => format!("the application stands at {next} of {partition}"),
                        None => format!("the application has not committed {partition}"),
                    })
                });
            }
            Body::EffectSeen(seen) => {
                let mut watches: Vec<Watch> = Vec::new();
                watches.extend(seen.content.identity().map(Watch::Record));
                watches.extend(seen.at.map(|at| Watch::Position(at.partition, at.offset)));
                let cases = self.cases_of(watches);
                let place = seen.at.map(|at| (at.partition, at.offset));
                self.note_at(&cases, place, |names| {
                    let what = name(&seen.content);
                    observed(match seen.at {
                        Some(at) => {
                            let partition = names.partition(at.partition);
                            format!("an effect of {what} stands at {partition}@{}", at.offset)
                        }
                        None => format!("an effect of {what} is listed"),
                    })
                });
            }
            Body::ReplicaStored {
                partition,
                broker,
                offset,
                content,
            } => {
                let cases = self.cases_of(seen_at(*partition, *offset, content));
                self.note(&cases, None, |names| {
                    observed(format!(
                        "{} stands at {}@{offset} on broker {broker}",
                        name(content),
                        names.partition(*partition)
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
        say: impl FnOnce(&Names) -> String,
    ) {
        let cases = self.cases_of([Watch::Transaction(transaction)]);
        self.note(&cases, Some(event.at), |names| {
            (names.producer(transaction.producer), say(names))
        });
    }
}
