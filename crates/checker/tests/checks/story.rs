//! A history as a few lines: one producer, one topic, one group, one table,
//! unless a test says otherwise.
use std::convert::Infallible;

use checker::{Analysis, BlockSize, Examples, Lanes, Limits, check, check_in, examine_in};
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::{
    BatchKind, Body, CommitResult, Content, Ending, Event, Intent, Isolation, Outcome,
    TransactionOutcome,
};
use model::ids::{
    FaultIx, GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId,
    Sequence, TableIx, TopicIx, TransactionIx, TransactionRef,
};
use model::verdict::Calibration;

pub(crate) const TOPIC: TopicIx = TopicIx::new(0);
pub(crate) const CHANGES: TopicIx = TopicIx::new(1);
pub(crate) const GROUP: GroupIx = GroupIx::new(0);
pub(crate) const TABLE: TableIx = TableIx::new(0);
pub(crate) const FAULT: FaultIx = FaultIx::new(0);

pub(crate) fn part(partition: i32) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: PartitionIndex::new(partition),
    }
}

pub(crate) fn changes() -> PartitionRef {
    PartitionRef {
        topic: CHANGES,
        partition: PartitionIndex::new(0),
    }
}

pub(crate) fn id(producer: u32, sequence: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(producer),
        sequence: Sequence::new(sequence),
    }
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A marker, or nothing.
    Gap,
    Is(Content),
    /// A record of a transaction of this producer id, in a batch of its own.
    In(i64, Content),
    /// The marker that commits the transaction of this producer id.
    Commit(i64),
    /// The marker that aborts it.
    Abort(i64),
}

pub(crate) fn transaction(producer: u32, number: u64) -> TransactionRef {
    TransactionRef {
        producer: ProducerIx::new(producer),
        transaction: TransactionIx::new(number),
    }
}

/// Records of producer 0.
pub(crate) fn ours<const N: usize>(sequences: [u64; N]) -> Vec<Slot> {
    let ours = |sequence| Slot::Is(Content::Ours(id(0, sequence)));
    sequences.into_iter().map(ours).collect()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<Event>,
    pub(crate) now_us: u64,
}

pub(crate) fn story() -> Story {
    Story::default().and(Body::TopicDeclared {
        topic: TOPIC,
        name: "t".to_owned(),
        partitions: 1,
    })
}

/// A story that is told already.
pub(crate) fn story_of(events: Vec<Event>) -> Story {
    Story { events, now_us: 0 }
}

/// A story with a group, of which member 0 holds the partition.
pub(crate) fn group_story() -> Story {
    story().group(GROUP, "g").member(0)
}

impl Story {
    pub(crate) fn and(mut self, body: Body) -> Self {
        self.now_us += 1000;
        self.events.push(Event {
            at: Micros::new(self.now_us),
            body,
        });
        self
    }

    pub(crate) fn send(self, sequence: u64) -> Self {
        self.and(Body::SendInvoked {
            record: id(0, sequence),
            to: part(0),
        })
    }

    pub(crate) fn complete(self, sequence: u64, outcome: Outcome) -> Self {
        self.and(Body::SendCompleted {
            record: id(0, sequence),
            outcome,
        })
    }

    pub(crate) fn ack(self, sequence: u64, offset: i64) -> Self {
        let (at, offset) = (part(0), Offset::new(offset));
        self.complete(sequence, Outcome::Acknowledged { at, offset })
    }

    pub(crate) fn fail(self, sequence: u64) -> Self {
        let error = "too large".to_owned();
        self.complete(sequence, Outcome::Failed { error })
    }

    pub(crate) fn unsure(self, sequence: u64) -> Self {
        let error = "timed out".to_owned();
        self.complete(sequence, Outcome::Unknown { error })
    }

    /// Sends records 0 up to `count`, each acknowledged at its own number.
    pub(crate) fn sends(self, count: u64) -> Self {
        (0..count).fold(self, |story, at| story.send(at).ack(at, at.cast_signed()))
    }

    pub(crate) fn pinned(self, partition: PartitionRef, log_start: i64, end: i64) -> Self {
        self.and(Body::Pinned {
            partition,
            log_start: Offset::new(log_start),
            end: Offset::new(end),
        })
    }

    pub(crate) fn stored(self, partition: PartitionRef, offset: i64, content: Content) -> Self {
        self.and(Body::Stored {
            partition,
            offset: Offset::new(offset),
            content,
        })
    }

    pub(crate) fn read(self, partition: PartitionRef) -> Self {
        self.and(Body::PartitionRead { partition })
    }

    /// The truth of partition 0, and the end of the history.
    pub(crate) fn log(self, slots: &[Slot]) -> Self {
        self.log_from(0, slots)
    }

    pub(crate) fn log_from(self, log_start: i64, slots: &[Slot]) -> Self {
        let story = self.and(Body::TrafficEnded);
        story.truth(part(0), log_start, slots).and(Body::Completed)
    }

    pub(crate) fn truth(self, partition: PartitionRef, log_start: i64, slots: &[Slot]) -> Self {
        let end = log_start + i64::try_from(slots.len()).unwrap();
        let story = self.pinned(partition, log_start, end);
        let batches = slots.iter().any(|slot| matches!(slot, Slot::In(..)));
        let stored_records = (log_start..).zip(slots);
        stored_records
            .fold(story, |story, (offset, slot)| match slot {
                Slot::Gap => story,
                Slot::Is(content) if !batches => story.stored(partition, offset, *content),
                Slot::Is(content) => story
                    .batch(partition, offset, -1, BatchKind::Plain)
                    .stored(partition, offset, *content),
                Slot::In(producer, content) => story
                    .batch(partition, offset, *producer, BatchKind::Transactional)
                    .stored(partition, offset, *content),
                Slot::Commit(producer) => {
                    story.batch(partition, offset, *producer, BatchKind::CommitMarker)
                }
                Slot::Abort(producer) => {
                    story.batch(partition, offset, *producer, BatchKind::AbortMarker)
                }
            })
            .read(partition)
    }

    fn batch(self, partition: PartitionRef, offset: i64, producer: i64, kind: BatchKind) -> Self {
        self.and(Body::StoredBatch {
            partition,
            base_offset: Offset::new(offset),
            last_offset: Offset::new(offset),
            producer_id: producer,
            producer_epoch: 0,
            base_sequence: 0,
            kind,
        })
    }

    /// Producer 0 begins a transaction.
    pub(crate) fn begins(self, number: u64) -> Self {
        self.and(Body::TransactionBegun {
            transaction: transaction(0, number),
        })
    }

    pub(crate) fn asks(self, transaction: TransactionRef, intent: Intent) -> Self {
        self.and(Body::TransactionEnding {
            transaction,
            intent,
        })
    }

    pub(crate) fn hears(self, transaction: TransactionRef, outcome: TransactionOutcome) -> Self {
        self.and(Body::TransactionCompleted {
            transaction,
            outcome,
        })
    }

    /// Producer 0 aborts its transaction.
    pub(crate) fn aborts_transaction(self, number: u64) -> Self {
        self.asks(transaction(0, number), Intent::Abort)
            .hears(transaction(0, number), TransactionOutcome::Aborted)
    }

    /// The group reads committed records only.
    pub(crate) fn read_committed(self) -> Self {
        self.and(Body::IsolationDeclared {
            group: GROUP,
            isolation: Isolation::ReadCommitted,
        })
    }

    pub(crate) fn imported(self, tool: &str) -> Self {
        self.and(Body::Imported {
            tool: tool.to_owned(),
        })
    }

    pub(crate) fn group(self, group: GroupIx, name: &str) -> Self {
        self.and(Body::GroupDeclared {
            group,
            name: name.to_owned(),
            topics: vec![TOPIC],
        })
    }

    pub(crate) fn member(self, member: u32) -> Self {
        self.member_of(GROUP, member)
    }

    pub(crate) fn member_of(self, group: GroupIx, member: u32) -> Self {
        let member = MemberIx::new(member);
        self.and(Body::MemberStarted { member, group })
            .and(Body::Assigned {
                member,
                partitions: vec![part(0)],
            })
    }

    pub(crate) fn ends(self, member: u32, how: Ending) -> Self {
        self.and(Body::MemberEnded {
            member: MemberIx::new(member),
            how,
        })
    }

    /// A member processes what stands at these offsets: the record of the same
    /// number.
    pub(crate) fn processes(self, member: u32, offsets: impl IntoIterator<Item = i64>) -> Self {
        offsets.into_iter().fold(self, |story, offset| {
            let content = Content::Ours(id(0, offset.cast_unsigned()));
            story.processes_as(member, offset, content)
        })
    }

    pub(crate) fn processes_as(self, member: u32, offset: i64, content: Content) -> Self {
        self.and(Body::Processed {
            member: MemberIx::new(member),
            from: part(0),
            offset: Offset::new(offset),
            content,
        })
    }

    pub(crate) fn commits(self, member: u32, offset: i64) -> Self {
        self.and(Body::Committed {
            member: MemberIx::new(member),
            partition: part(0),
            offset: Offset::new(offset),
            result: CommitResult::Accepted,
        })
    }

    pub(crate) fn fault(self, step: fn(FaultIx) -> Body) -> Self {
        self.and(step(FAULT))
    }

    /// Checks the story, and that it comes to the same however little the
    /// checker may hold in memory.
    pub(crate) fn check(&self) -> Analysis {
        let analysis = self.check_within(Limits::default());
        for limits in tight_limits() {
            let tight = self.check_within(limits);
            assert_eq!(tight.findings, analysis.findings, "{limits:?}");
            assert_eq!(tight.counts, analysis.counts, "{limits:?}");
            assert_eq!(tight.coverage, analysis.coverage, "{limits:?}");
            assert_eq!(tight.measurements, analysis.measurements, "{limits:?}");
        }
        self.check_in_lanes(&analysis);
        analysis
    }

    /// Checks that several threads come to what one comes to.
    fn check_in_lanes(&self, expected: &Analysis) {
        let open = |_| {
            let events = self.events.iter().cloned();
            Ok::<_, Infallible>(events.map(Ok::<_, Infallible>))
        };
        let Ok(analysis) = check_in(Lanes::Many, Limits::default(), open);
        assert_eq!(analysis.findings, expected.findings);
        assert_eq!(analysis.counts, expected.counts);
        assert_eq!(analysis.coverage, expected.coverage);
        assert_eq!(analysis.measurements, expected.measurements);
        assert_eq!(analysis.faults, expected.faults);
        assert_eq!(analysis.completeness, expected.completeness);
    }

    fn check_within(&self, limits: Limits) -> Analysis {
        let Ok(analysis) = check(limits, |checker| {
            for event in &self.events {
                checker.observe(event);
            }
            Ok::<_, Infallible>(())
        });
        analysis
    }

    pub(crate) fn examine(&self, contract: &Contract) -> (Analysis, Vec<Calibration>) {
        let mut examined = self.examine_within(Limits::default(), contract);
        for limits in tight_limits() {
            let (analysis, calibration) = self.examine_within(limits, contract);
            assert_eq!(analysis.findings, examined.0.findings, "{limits:?}");
            // What is planted may differ, but all of it must be found.
            let missed = calibration.into_iter().filter(|mutant| !mutant.found);
            examined.1.extend(missed);
        }
        let (analysis, calibration) = self.examine_in(Lanes::Many, Limits::default(), contract);
        let (alone, expected) = self.examine_in(Lanes::One, Limits::default(), contract);
        assert_eq!(analysis.findings, alone.findings);
        assert_eq!(calibration, expected);
        examined
    }

    fn examine_within(&self, limits: Limits, contract: &Contract) -> (Analysis, Vec<Calibration>) {
        self.examine_in(Lanes::One, limits, contract)
    }

    fn examine_in(
        &self,
        lanes: Lanes,
        limits: Limits,
        contract: &Contract,
    ) -> (Analysis, Vec<Calibration>) {
        let open = |_| {
            let events = self.events.iter().cloned();
            Ok::<_, Infallible>(events.map(Ok::<_, Infallible>))
        };
        let Ok(examined) = examine_in(lanes, limits, contract, Examples::default(), open);
        examined
    }
}

/// Limits that make even a tiny history be read often.
fn tight_limits() -> [Limits; 3] {
    [(0, 1), (2, 3), (1, 20)].map(|(shift, claims_max)| Limits {
        block: BlockSize::power_of_two(shift),
        claims_max,
    })
}

/// A contract that requires these claims, and nothing else.
pub(crate) fn required(claims: impl IntoIterator<Item = Claim>) -> Contract {
    let guarantees = claims.into_iter().map(|claim| Guarantee {
        claim,
        level: Level::Required,
        limit_ms: None,
    });
    Contract {
        guarantees: guarantees.collect(),
        ..Contract::default()
    }
}

/// A contract that requires everything there is to claim.
pub(crate) fn every_claim() -> Contract {
    required(Claim::ALL.iter().copied())
}

pub(crate) fn triggered(fault: FaultIx) -> Body {
    Body::FaultTriggered { fault }
}

pub(crate) fn injected(fault: FaultIx) -> Body {
    Body::FaultInjected { fault }
}

pub(crate) fn healed(fault: FaultIx) -> Body {
    Body::FaultHealed { fault }
}

/// Everything that was found, by name.
pub(crate) fn found(analysis: &Analysis) -> Vec<(Anomaly, u64)> {
    let findings = analysis.findings.iter();
    findings.map(|of| (of.anomaly, of.count)).collect()
}

/// What a finding names, as `whose first-last`.
pub(crate) fn named(analysis: &Analysis, anomaly: Anomaly) -> Vec<String> {
    let findings = analysis.findings.iter();
    findings
        .filter(|of| of.anomaly == anomaly)
        .flat_map(|of| &of.ranges)
        .map(|range| format!("{} {}-{}", range.of, range.first, range.last))
        .collect()
}
