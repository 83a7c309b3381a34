//! Taking in the events of the first pass, in bits and fingerprints.

use model::event::{Body, Content, Outcome};
use model::ids::{Offset, PartitionRef, RecordId, Sequence};

use crate::context::Context;
use crate::log::ledger::Ledger;
use crate::log::targets::Target;
use crate::log::witness::Witness;
use crate::txn::tracker::Transactions;

impl Ledger {
    /// Takes in the next event of the first pass.
    pub(super) fn take_in(&mut self, body: &Body, context: &Context) {
        let transactions = &context.transactions;
        match body {
            Body::SendInvoked { record, .. } => {
                self.sent.insert(*record);
            }
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { at, offset } => {
                    self.acknowledged.insert(*record);
                    if self.witness != Witness::Observer {
                        // Other tools may tell of nothing but outcomes, in the
                        // order in which the client told them.
                        let told_only = self.sent.insert(*record);
                        if offset.is_given() {
                            self.followed.acknowledge(*at, *record, *offset);
                        } else if told_only {
                            self.followed.acknowledge_unplaced(*at, *record);
                        }
                    }
                    let blocks = self.blocks();
                    let log = self.partitions.entry(*at);
                    self.belated |= log.data.contains(offset.get());
                    log.acknowledge(blocks, *offset, *record);
                    if self.witness != Witness::Observer && offset.is_given() {
                        log.sending.acknowledged(*record, *offset);
                    }
                    if self.witness == Witness::ReadersAndProducers {
                        log.told.add(*offset, *record);
                    }
                }
                Outcome::Failed { .. } => {
                    self.failed.insert(*record);
                }
                Outcome::Unknown { .. } => {
                    self.unknown.insert(*record);
                }
            },
            Body::Processed {
                from,
                offset,
                content,
                ..
            } if self.witness != Witness::Observer => {
                self.found(*from, *offset, *content, transactions);
            }
            Body::ReadRolledBack {
                from,
                offset,
                content,
                ..
            } if self.witness != Witness::Observer => self.glimpsed(*from, *offset, *content),
            Body::OrderForgotten {
                producer,
                partition,
            } if self.witness != Witness::Observer => {
                if let Some(last) = self.sent.last_of(*producer) {
                    let next = Sequence::new(last.get().saturating_add(1));
                    let log = self.partitions.entry(*partition);
                    log.sending.forget(*producer, next);
                }
            }
            Body::Processed {
                from,
                offset,
                content,
                ..
            } => {
                let blocks = self.blocks();
                let log = self.partitions.entry(*from);
                match content.identity() {
                    Some(record) => {
                        self.belated |= log.data.contains(offset.get());
                        log.process(blocks, *offset, record);
                        self.notice(record);
                    }
                    None => log.see_unidentified(*offset, *content),
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => self.partitions.entry(*partition).pinned = Some(*log_start..*end),
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                self.found(*partition, *offset, *content, transactions);
                if *content == Content::Corrupt {
                    let log = self.partitions.entry(*partition);
                    log.damaged.insert(offset.get());
                }
            }
            Body::PartitionRead { partition } => self.partitions.entry(*partition).read = true,
            Body::ChangeEvent {
                partition,
                offset,
                content,
                ..
            } if context.names.is_read(partition.topic) => {
                self.holds_event(*partition, *offset, content.as_read(), transactions);
            }
            Body::Imported { .. } => self.learn(Witness::Readers),
            Body::TransactionBegun { .. } if self.witness == Witness::Readers => {
                self.learn(Witness::ReadersAndProducers);
            }
            _ => {}
        }
    }

    /// A witness says what stands at an offset.
    pub(super) fn found(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        content: Content,
        transactions: &Transactions,
    ) {
        let told = (self.witness, self.blocks());
        let log = self.partitions.entry(partition);
        log.data.insert(offset.get());
        if told.0 != Witness::Observer {
            log.processed_at(offset);
            if !log.unprocessed.is_empty() {
                log.unprocessed.remove(offset.get());
            }
            if content == Content::Corrupt {
                log.damaged.insert(offset.get());
            }
        }
        match content.identity() {
            Some(record) => {
                log.out_of_order |= !log.order.goes_on(offset);
                let target = Target {
                    partition,
                    offset,
                    record,
                };
                log.find(told, &mut self.stored_records, transactions, target);
                if self.witness == Witness::ReadersAndProducers {
                    log.told.add(offset, record);
                }
                self.notice(record);
            }
            None => log.see_unidentified(offset, content),
        }
    }

    /// What the log of a change topic holds at an offset. That it is damaged is
    /// for the capture to find.
    fn holds_event(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        content: Content,
        transactions: &Transactions,
    ) {
        let content = match content {
            Content::Corrupt => {
                let log = self.partitions.entry(partition);
                log.damaged.insert(offset.get());
                Content::Nameless
            }
            content => content,
        };
        self.found(partition, offset, content, transactions);
    }

    /// A poll that was taken back returned what stands at an offset.
    pub(super) fn glimpsed(&mut self, from: PartitionRef, offset: Offset, content: Content) {
        let log = self.partitions.entry(from);
        if log.data.insert(offset.get()) {
            log.unprocessed.insert(offset.get());
        }
        log.glimpsed.insert(offset.get());
        match content.identity() {
            Some(record) => {
                if self.witness == Witness::ReadersAndProducers {
                    log.told.add(offset, record);
                }
                self.notice(record);
            }
            None => log.see_unidentified(offset, content),
        }
    }

    /// A record was seen; that it was never sent is known only at the end.
    #[inline]
    fn notice(&mut self, record: RecordId) {
        // That a change was never made is for the capture to find.
        if !record.is_change() && !self.sent.contains(record) {
            self.early.insert(record);
        }
    }
}
