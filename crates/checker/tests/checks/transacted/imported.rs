//! A world of transactions as another tool would have recorded it: without
//! markers and without an observer. What is wrong with it follows from what
//! the readers were given and the producers were told.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::ids::RecordId;

use super::definitions::circles;
use super::{GROUPS, INPUTS, Maker, PARTITIONS, PIPED, Read, Reader, State, UNCOMMITTED};

/// What is known to have become of a transaction.
#[derive(Clone, Copy, PartialEq)]
enum TxnOutcome {
    Committed,
    Aborted,
    Unknown,
}

/// A record that a consumer was given, or that was acknowledged, at an offset.
#[derive(Clone, Copy)]
struct SeenRecord {
    offset: usize,
    record: RecordId,
    tx: Option<usize>,
    given: bool,
}

struct Known<'m> {
    maker: &'m Maker,
    txn_outcomes: Vec<TxnOutcome>,
    told: Vec<Vec<SeenRecord>>,
    ends: Vec<usize>,
}

impl<'m> Known<'m> {
    fn of(maker: &'m Maker) -> Self {
        let given: BTreeSet<(usize, usize)> = maker
            .reads
            .iter()
            .map(|read| (read.log, read.offset))
            .collect();
        let txn_outcomes = (0..maker.txs.len()).map(|tx| match maker.txs[tx].told {
            Some(State::Committed) => TxnOutcome::Committed,
            Some(State::Aborted) => TxnOutcome::Aborted,
            _ => {
                let mut reads = maker.reads.iter().filter(|read| read.group != UNCOMMITTED);
                // A record of it that a reader of committed records was given.
                if reads.any(|read| maker.logs[read.log][read.offset].tx == Some(tx)) {
                    TxnOutcome::Committed
                } else {
                    TxnOutcome::Unknown
                }
            }
        });
        let txn_outcomes = txn_outcomes.collect();
        let told = (0..PARTITIONS).map(|log| {
            let cells = maker.logs[log].iter().enumerate();
            cells
                .filter_map(|(offset, cell)| {
                    Some(SeenRecord {
                        offset,
                        record: cell.record?,
                        tx: cell.tx,
                        given: given.contains(&(log, offset)),
                    })
                })
                .collect()
        });
        let end = |log: usize| {
            let given = given.iter().filter(|(of, _)| *of == log);
            given.map(|(_, offset)| offset + 1).max().unwrap_or(0)
        };
        Self {
            maker,
            txn_outcomes,
            told: told.collect(),
            ends: (0..PARTITIONS).map(end).collect(),
        }
    }

    fn visible(&self, told: &SeenRecord) -> bool {
        told.tx
            .is_none_or(|tx| self.txn_outcomes[tx] == TxnOutcome::Committed)
    }

    /// Whether it counts as standing there.
    fn stands(&self, log: usize, told: &SeenRecord) -> bool {
        told.given || (told.offset < self.ends[log] && self.visible(told))
    }

    fn data(&self, group: usize, log: usize) -> impl Iterator<Item = usize> + '_ {
        let told = self.told[log].iter();
        told.filter(move |told| {
            self.stands(log, told) && (group == UNCOMMITTED || self.visible(told))
        })
        .map(|told| told.offset)
    }

    /// Acknowledged and visible above everything that a consumer was given.
    fn beyond(&self, log: usize) -> impl Iterator<Item = usize> + '_ {
        let told = self.told[log].iter();
        told.filter(move |told| told.offset >= self.ends[log] && self.visible(told))
            .map(|told| told.offset)
    }

    /// Whether what was read for a transaction counts.
    fn counts(&self, read: &Read) -> bool {
        read.inside
            .is_none_or(|tx| self.txn_outcomes[tx] == TxnOutcome::Committed)
    }
}

pub(super) fn expect(maker: &Maker, readers: &[Reader; GROUPS]) -> BTreeMap<Anomaly, u64> {
    let known = Known::of(maker);
    let mut found: BTreeMap<Anomaly, u64> = BTreeMap::new();
    let mut add = |anomaly: Anomaly, count: usize| {
        *found.entry(anomaly).or_default() += count as u64;
    };
    let zombies = usize::try_from(maker.zombies).unwrap();
    add(Anomaly::ZombieProcessing, zombies);
    losses(&known, &mut add);
    order(&known, &mut add);
    isolation(&known, &mut add);
    for step in &maker.steps {
        let (back, skip) = if step.inside {
            (Anomaly::IntNonmonotonicPoll, Anomaly::IntPollSkip)
        } else {
            (Anomaly::NonmonotonicPoll, Anomaly::PollSkip)
        };
        add(back, usize::from(step.to <= step.from));
        let between = known.data(step.group, step.log).filter(|at| {
            let at = i64::try_from(*at).unwrap();
            step.from < at && at < step.to
        });
        add(skip, between.count());
    }
    for reader in readers {
        for log in 0..PARTITIONS {
            progress(&known, reader, log, &mut add);
        }
    }
    dependencies(&known, &mut add);
    found.retain(|_, count| *count > 0);
    found
}

/// lost-write, unseen and torn-transaction.
fn losses(known: &Known<'_>, add: &mut impl FnMut(Anomaly, usize)) {
    let mut maimed = BTreeSet::new();
    for (log, told) in known.told.iter().enumerate() {
        for told in told
            .iter()
            .filter(|told| !told.given && known.visible(told))
        {
            if told.offset < known.ends[log] {
                add(Anomaly::LostWrite, 1);
                maimed.extend(told.tx);
            } else {
                // Of what its producer was not told, only what was read is known.
                let heard = |tx: usize| known.maker.txs[tx].told == Some(State::Committed);
                add(Anomaly::Unseen, usize::from(told.tx.is_none_or(heard)));
            }
        }
    }
    let torn = maimed.into_iter().filter(|tx| {
        let mut all = known.told.iter().flatten();
        all.any(|told| told.tx == Some(*tx) && told.given)
    });
    add(Anomaly::TornTransaction, torn.count());
}

/// int-nonmonotonic-send and int-send-skip.
fn order(known: &Known<'_>, add: &mut impl FnMut(Anomaly, usize)) {
    for (log, told) in known.told.iter().enumerate() {
        // Where no consumer was given a record, its acknowledgement has a place.
        let placed = told.iter().filter(|told| told.given || known.visible(told));
        let placed: Vec<&SeenRecord> = placed.collect();
        for (at, this) in placed.iter().enumerate() {
            // Records change places only inside their transaction.
            let behind = placed[..at].iter().any(|before| {
                before.record.producer == this.record.producer && before.record > this.record
            });
            add(Anomaly::IntNonmonotonicSend, usize::from(behind));
        }
        let shown: Vec<&SeenRecord> = told.iter().filter(|told| known.visible(told)).collect();
        for (at, this) in shown.iter().enumerate().filter(|(_, it)| it.tx.is_some()) {
            let before = shown[..at].iter().rev().find(|before| before.tx == this.tx);
            let interrupted = before.is_some_and(|before| {
                let mut between = known.data(UNCOMMITTED, log);
                between.any(|offset| before.offset < offset && offset < this.offset)
            });
            add(Anomaly::IntSendSkip, usize::from(interrupted));
        }
    }
}

/// G1a and precommitted-read.
fn isolation(known: &Known<'_>, add: &mut impl FnMut(Anomaly, usize)) {
    let mut aborted = BTreeSet::new();
    let mut early = BTreeSet::new();
    for read in &known.maker.reads {
        let cell = known.maker.logs[read.log][read.offset];
        let Some(tx) = cell.tx.filter(|_| read.group != UNCOMMITTED) else {
            continue;
        };
        if known.txn_outcomes[tx] == TxnOutcome::Aborted {
            aborted.insert((read.group, read.log, read.offset));
        } else if known.maker.txs[tx]
            .asked_us
            .is_none_or(|asked| read.at_us < asked)
        {
            early.insert((read.group, cell.record));
        }
    }
    add(Anomaly::G1a, aborted.len());
    add(Anomaly::PrecommittedRead, early.len());
}

/// reprocessed and group-gap.
fn progress(known: &Known<'_>, reader: &Reader, log: usize, add: &mut impl FnMut(Anomaly, usize)) {
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    let mut unsettled = BTreeSet::new();
    let reads = known.maker.reads.iter();
    for read in reads.filter(|read| (read.group, read.log) == (reader.group, log)) {
        if known.counts(read) {
            *times.entry(read.offset).or_default() += 1;
        } else if read
            .inside
            .is_some_and(|tx| known.txn_outcomes[tx] == TxnOutcome::Unknown)
        {
            unsettled.insert(read.offset);
        }
    }
    add(
        Anomaly::Reprocessed,
        times.values().map(|times| times - 1).sum(),
    );
    let committed = if reader.group == PIPED {
        let handed = known.maker.handed.iter();
        handed
            .filter(|(tx, of, _)| *of == log && known.txn_outcomes[*tx] == TxnOutcome::Committed)
            .map(|(_, _, next)| *next)
            .max()
            .unwrap_or(0)
    } else {
        reader.committed[log]
    };
    let gaps = known
        .data(reader.group, log)
        .chain(known.beyond(log))
        .filter(|at| *at < committed && !times.contains_key(at) && !unsettled.contains(at));
    add(Anomaly::GroupGap, gaps.count());
}

/// G0 and G1c.
fn dependencies(known: &Known<'_>, add: &mut impl FnMut(Anomaly, usize)) {
    let count = known.maker.txs.len();
    let mut writes = vec![vec![false; count]; count];
    let mut reads = writes.clone();
    for told in &known.told {
        let shown = told.iter().filter(|told| known.visible(told));
        let order: Vec<usize> = shown.filter_map(|told| told.tx).collect();
        for pair in order.windows(2) {
            writes[pair[0]][pair[1]] |= pair[0] != pair[1];
        }
    }
    for read in known.maker.reads.iter().filter(|read| read.log < INPUTS) {
        let origin = known.maker.logs[read.log][read.offset].tx;
        if let (Some(reader), Some(writer)) = (read.inside, origin)
            && known.txn_outcomes[reader] == TxnOutcome::Committed
            && known.txn_outcomes[writer] == TxnOutcome::Committed
            && reader != writer
        {
            reads[writer][reader] = true;
        }
    }
    let (write, read) = circles(&writes, &reads);
    add(Anomaly::G0, write);
    add(Anomaly::G1c, read);
}
