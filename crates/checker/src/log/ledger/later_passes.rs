//! The passes after the first: the log is told again where it was not told in the
//! order of its offsets, and then single claims of contested blocks are collected,
//! as many at a time as the limits allow. Knows nothing of what they come to.

use std::collections::BTreeSet;

use model::event::{Body, ChangeContent, Content, Outcome};
use model::ids::{RecordId, TopicIx};

use crate::analyzer::Need;
use crate::context::Context;
use crate::finding::FindingCollector;
use crate::log::collect::{Claim, ClaimKind, Collector};
use crate::log::ledger::{Ledger, Stage};
use crate::log::targets::Target;
use crate::log::witness::Witness;
use crate::sets::record_set::RecordSet;

impl Ledger {
    /// Takes in the next event of another reading of the same history.
    pub(super) fn take_in_again(
        &mut self,
        body: &Body,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let (partition, offset, kind, record) = match body {
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } => (*at, *offset, ClaimKind::Acknowledged, *record),
            Body::Stored {
                partition,
                offset,
                content: Content::Ours(record),
            } => (*partition, *offset, ClaimKind::Stored, *record),
            Body::ChangeEvent {
                partition,
                offset,
                content: ChangeContent::Ours(change),
                ..
            } if context.names.is_read(partition.topic) => {
                let record = RecordId::of_change(*change);
                (*partition, *offset, ClaimKind::Stored, record)
            }
            Body::Processed {
                from,
                offset,
                content,
                ..
            } => {
                let Some(record) = content.identity() else {
                    return;
                };
                let kind = match self.witness {
                    Witness::Observer => ClaimKind::Read,
                    Witness::Readers | Witness::ReadersAndProducers => ClaimKind::Stored,
                };
                (*from, *offset, kind, record)
            }
            Body::ReadRolledBack {
                from,
                offset,
                content: Content::Ours(record),
                ..
            } if self.witness != Witness::Observer => {
                (*from, *offset, ClaimKind::Glimpsed, *record)
            }
            _ => return,
        };
        let claim = Claim {
            partition,
            offset,
            kind,
            record,
        };
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::StoredRecords(mut collected) => {
                if kind == ClaimKind::Stored {
                    self.stands(claim, &mut collected, context);
                }
                self.stage = Stage::StoredRecords(collected);
            }
            Stage::Claims {
                mut collected,
                unsent,
                read,
            } => {
                let is_first = collected.is_first();
                if is_first && kind == ClaimKind::Stored {
                    self.stored_records.look_up(partition, offset, record);
                }
                if is_first && kind != ClaimKind::Acknowledged && unsent.contains(record) {
                    let log = self.partitions.entry(partition);
                    log.phantom.insert(offset.get());
                }
                self.contested(claim, &mut collected, &read, context, collector);
                self.stage = Stage::Claims {
                    collected,
                    unsent,
                    read,
                };
            }
            Stage::First | Stage::Done => {}
        }
    }

    pub(super) fn stands(&mut self, claim: Claim, collected: &mut Collector, context: &Context) {
        let told = (self.witness, self.blocks());
        let Some(log) = self.partitions.get_mut(claim.partition) else {
            return;
        };
        if log.out_of_order {
            collected.offer(claim);
        } else if collected.is_first() {
            let transactions = &context.txn_outcomes.transactions;
            log.find(
                told,
                &mut self.stored_records,
                transactions,
                Target::of(claim),
            );
        }
    }

    /// Collects a claim where it is contested. An acknowledgement of a record
    /// that stands nowhere can be settled right away, where it is the only one
    /// of its offset.
    pub(super) fn contested(
        &mut self,
        claim: Claim,
        collected: &mut Collector,
        read: &BTreeSet<TopicIx>,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let block = self.blocks().holding(claim.offset);
        let Some(log) = self.partitions.get(claim.partition) else {
            return;
        };
        match claim.kind {
            ClaimKind::Acknowledged => {
                if !claim.offset.is_given() || !log.is_contested(block) {
                    return;
                }
                let stored = self.stored_records.stored.contains(claim.record);
                let told = self.witness != Witness::Observer
                    && (!log.data.is_empty() || log.sending.is_unordered);
                if stored || told || log.crowded.contains(claim.offset.get()) {
                    collected.offer(claim);
                } else if collected.is_first() {
                    if self.witness != Witness::Observer {
                        self.settle_lone_place(claim, context, collector);
                    }
                    self.settle_missing(claim, read, context, collector);
                }
            }
            ClaimKind::Stored | ClaimKind::Glimpsed => {
                if log.is_contested(block) || log.contested.readings.contains(block) {
                    collected.offer(claim);
                }
            }
            ClaimKind::Read => {
                if log.contested.readings.contains(block) {
                    collected.offer(claim);
                }
            }
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end.
    pub(super) fn close_pass(
        &mut self,
        context: &Context,
        collector: &mut FindingCollector,
    ) -> Need {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First => {
                let blocks = self.blocks();
                let out_of_order = self.partitions.values().any(|log| log.out_of_order);
                let mut unclear = out_of_order || self.stored_records.is_unclear;
                // In which transaction a record was sent is known only now.
                unclear |= !context.txn_outcomes.transactions.is_empty()
                    && !self.stored_records.disordered.is_empty();
                if self.belated && !unclear {
                    let contested: u64 = self
                        .partitions
                        .values()
                        .map(|log| log.acknowledged.disagreeing(&log.all).count() as u64)
                        .map(|disagreeing| disagreeing * blocks.size())
                        .sum();
                    unclear = contested > self.limits.claims_max as u64;
                }
                if !unclear {
                    return self.contest(context, collector);
                }
                self.stored_records = std::mem::take(&mut self.stored_records).told_again();
                for log in self.partitions.values_mut() {
                    log.forget_what_stands();
                }
                self.stage = Stage::StoredRecords(Collector::new(self.limits.claims_max));
                Need::AnotherPass
            }
            Stage::StoredRecords(collected) => {
                let (claims, next) = collected.close();
                self.store_in_order(&claims, context);
                match next {
                    Some(next) => {
                        self.stage = Stage::StoredRecords(next);
                        Need::AnotherPass
                    }
                    None => self.contest(context, collector),
                }
            }
            Stage::Claims {
                collected,
                unsent,
                read,
            } => {
                let (claims, next) = collected.close();
                let same_place =
                    |a: &Claim, b: &Claim| (a.partition, a.offset) == (b.partition, b.offset);
                for claims in claims.chunk_by(same_place) {
                    self.settle_place(claims, &read, context, collector);
                }
                self.stored_records
                    .settle_doubts(&context.txn_outcomes.transactions);
                let Some(collected) = next else {
                    self.settle_moved(&context.names, collector);
                    return Need::Nothing;
                };
                self.stage = Stage::Claims {
                    collected,
                    unsent,
                    read,
                };
                Need::AnotherPass
            }
            Stage::Done => Need::Nothing,
        }
    }

    /// Tells what stands in partitions that were not told in order.
    fn store_in_order(&mut self, claims: &[Claim], context: &Context) {
        let (witness, blocks) = (self.witness, self.blocks());
        for claim in claims {
            let log = self.partitions.entry(claim.partition);
            if !log.order.goes_on(claim.offset) {
                // Two records at one offset, whatever was said of it.
                log.contested.readings.insert(blocks.holding(claim.offset));
            }
            let transactions = &context.txn_outcomes.transactions;
            log.find(
                (witness, blocks),
                &mut self.stored_records,
                transactions,
                Target::of(*claim),
            );
        }
    }

    /// Finds what has to be looked at claim by claim.
    pub(super) fn contest(&mut self, context: &Context, collector: &mut FindingCollector) -> Need {
        let blocks = self.blocks();
        let topics: BTreeSet<TopicIx> = self.partitions.iter().map(|(at, _)| at.topic).collect();
        let read = topics
            .into_iter()
            .filter(|topic| self.topic_is_read(*topic, &context.names))
            .collect();
        let unsent = self.unsent(context);
        let observed = self.is_observed();
        for (partition, log) in self.partitions.iter().filter(|_| observed) {
            if let Some(end) = log.end() {
                let reads = log.readings.first().and_then(|first| first.at().last());
                let unidentified = log.phantom.last().max(log.corrupt.last());
                self.past.end(partition, end, reads.max(unidentified));
            }
        }
        for log in self.partitions.values_mut() {
            log.contest(blocks);
        }
        if self.witness != Witness::Observer {
            self.contest_places();
        }
        let mut need = !unsent.is_empty() || self.stored_records.has_doubts();
        for log in self.partitions.values_mut() {
            let agreed = log.contested.acknowledgements.iter().map(|block| {
                let (first, end) = blocks.range(block);
                log.acknowledged.at().count(first, end)
            });
            self.settled.looked_for += log.acknowledged.at().len() - agreed.sum::<u64>();
            need |= !log.contested.acknowledgements.is_empty();
            need |= !log.contested.readings.is_empty();
        }
        self.settle_unplaced(&read, context, collector);
        if !need {
            return Need::Nothing;
        }
        self.stage = Stage::Claims {
            collected: Collector::new(self.limits.claims_max),
            unsent,
            read,
        };
        Need::AnotherPass
    }

    /// Records that were seen and never sent: known once all sending is
    /// on record.
    pub(super) fn unsent(&self, context: &Context) -> RecordSet {
        let mut unsent = RecordSet::default();
        let provenance = &context.provenance;
        if context.ending.traffic_ended || provenance.is_imported() {
            for record in self.early.iter() {
                if !self.sent.contains(record) && provenance.announces(record.producer) {
                    unsent.insert(record);
                }
            }
        }
        unsent
    }
}
