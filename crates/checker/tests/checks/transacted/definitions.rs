//! What is wrong with a world of transactions, by the definitions of the catalogue,
//! from what really happened in it.

use super::*;

impl Maker {
    pub(super) fn committed(&self, tx: usize) -> bool {
        self.txs[tx].state == State::Committed
    }

    /// Whether the marker behind a cell commits it.
    pub(super) fn visible(&self, log: usize, cell: Cell) -> bool {
        let Some(tx) = cell.tx else {
            return true;
        };
        let mut markers = self.logs[log].iter().filter_map(|cell| cell.marker);
        let marker = markers.find(|(of, _)| *of == tx);
        marker.is_some_and(|(_, state)| state == State::Committed)
    }

    pub(super) fn data(&self, group: usize, log: usize) -> Vec<usize> {
        let cells = self.logs[log].iter().enumerate();
        cells
            .filter(|(_, cell)| {
                cell.record.is_some() && (group == UNCOMMITTED || self.visible(log, **cell))
            })
            .map(|(at, _)| at)
            .collect()
    }

    pub(super) fn expect(&self, readers: &[Reader; GROUPS]) -> BTreeMap<Anomaly, u64> {
        let mut found: BTreeMap<Anomaly, u64> = BTreeMap::new();
        let mut add = |anomaly: Anomaly, count: usize| {
            *found.entry(anomaly).or_default() += count as u64;
        };
        add(Anomaly::LostWrite, self.lost.len());
        add(Anomaly::IntNonmonotonicSend, self.disordered());
        add(
            Anomaly::ZombieProcessing,
            usize::try_from(self.zombies).unwrap(),
        );
        add(Anomaly::LogTruncation, self.seen_beyond.len());
        add(
            Anomaly::ReplicaDivergence,
            usize::try_from(self.diverged).unwrap(),
        );

        for step in &self.steps {
            let (back, skip) = if step.inside {
                (Anomaly::IntNonmonotonicPoll, Anomaly::IntPollSkip)
            } else {
                (Anomaly::NonmonotonicPoll, Anomaly::PollSkip)
            };
            add(back, usize::from(step.to <= step.from));
            let between = self.data(step.group, step.log).into_iter().filter(|at| {
                let at = i64::try_from(*at).unwrap();
                step.from < at && at < step.to
            });
            add(skip, between.count());
        }

        for reader in readers {
            for log in 0..PARTITIONS {
                let mut times: BTreeMap<usize, usize> = BTreeMap::new();
                for read in &self.reads {
                    let counts = read.inside.is_none_or(|tx| self.committed(tx));
                    if read.group == reader.group && read.log == log && counts {
                        *times.entry(read.offset).or_default() += 1;
                    }
                }
                add(
                    Anomaly::Reprocessed,
                    times.values().map(|times| times - 1).sum(),
                );
                let gaps = self
                    .data(reader.group, log)
                    .into_iter()
                    .filter(|at| *at < reader.committed[log] && !times.contains_key(at));
                add(Anomaly::GroupGap, gaps.count());
            }
        }

        let mut aborted: BTreeSet<(usize, usize, usize)> = BTreeSet::new();
        for read in self.reads.iter().filter(|read| read.group != UNCOMMITTED) {
            let was = self.logs[read.log][read.offset];
            if was.tx.is_some() && !self.visible(read.log, was) {
                aborted.insert((read.group, read.log, read.offset));
            }
        }
        add(Anomaly::G1a, aborted.len());
        let early = self.early.iter();
        let early = early.filter(|(_, record)| self.committed(self.owners[record]));
        add(Anomaly::PrecommittedRead, early.count());

        let torn = (0..self.txs.len()).filter(|tx| {
            let cells = &self.txs[*tx].cells;
            let stored_records = |(log, at): &(usize, usize)| self.logs[*log][*at].record.is_some();
            let lost = cells.iter().any(|cell| !stored_records(cell));
            self.flipped.contains(tx) || (lost && cells.iter().any(stored_records))
        });
        add(Anomaly::TornTransaction, torn.count());
        self.expect_interrupted(&mut add);
        self.expect_circles(&mut add);
        found.retain(|_, count| *count > 0);
        found
    }

    /// Only neighbours ever change places; a lost one takes the disorder with it.
    pub(super) fn disordered(&self) -> usize {
        let pairs = (0..PARTITIONS).flat_map(|log| {
            let cells = &self.logs[log];
            (1..cells.len()).filter(move |at| {
                let (before, this) = (cells[at - 1], cells[*at]);
                before.record.is_some()
                    && this.record.is_some()
                    && before.tx == this.tx
                    && before.tx.is_some()
                    && before.record > this.record
            })
        });
        pairs.count()
    }

    pub(super) fn expect_interrupted(&self, add: &mut impl FnMut(Anomaly, usize)) {
        for log in 0..PARTITIONS {
            let cells = &self.logs[log];
            for at in 0..cells.len() {
                let this = cells[at];
                if this.tx.is_none() || this.record.is_none() || !self.visible(log, this) {
                    continue;
                }
                let before = (0..at)
                    .rev()
                    .find(|before| cells[*before].tx == this.tx && cells[*before].record.is_some());
                let others = before.map(|before| {
                    cells[before + 1..at]
                        .iter()
                        .filter(|cell| cell.record.is_some())
                        .count()
                });
                add(
                    Anomaly::IntSendSkip,
                    usize::from(others.is_some_and(|others| others > 0)),
                );
            }
        }
    }

    pub(super) fn expect_circles(&self, add: &mut impl FnMut(Anomaly, usize)) {
        let count = self.txs.len();
        let mut writes = vec![vec![false; count]; count];
        let mut reads = vec![vec![false; count]; count];
        for log in 0..PARTITIONS {
            let order: Vec<usize> = self.logs[log]
                .iter()
                .filter(|cell| cell.record.is_some() && self.visible(log, **cell))
                .filter_map(|cell| cell.tx)
                .collect();
            for pair in order.windows(2) {
                writes[pair[0]][pair[1]] |= pair[0] != pair[1];
            }
        }
        for read in &self.reads {
            let cell = self.logs[read.log][read.offset];
            if let (Some(reader), Some(writer)) = (read.inside, cell.tx)
                && self.committed(reader)
                && cell.record.is_some()
                && self.visible(read.log, cell)
                && reader != writer
            {
                reads[writer][reader] = true;
            }
        }
        let (write, read) = circles(&writes, &reads);
        add(Anomaly::G0, write);
        add(Anomaly::G1c, read);
    }
}

/// How many circles of writes there are, and of writes and reads.
pub(super) fn circles(writes: &[Vec<bool>], reads: &[Vec<bool>]) -> (usize, usize) {
    let count = writes.len();
    let ring = |edges: &[Vec<bool>]| {
        let mut reach = edges.to_vec();
        for over in 0..count {
            let beyond = reach[over].clone();
            for from in &mut reach {
                if from[over] {
                    from.iter_mut()
                        .zip(&beyond)
                        .for_each(|(to, via)| *to |= via);
                }
            }
        }
        reach
    };
    let components = |reach: &[Vec<bool>]| -> BTreeSet<BTreeSet<usize>> {
        let on_circle = (0..count).filter(|at| reach[*at][*at]);
        on_circle
            .map(|at| {
                (0..count)
                    .filter(|to| reach[at][*to] && reach[*to][at])
                    .collect()
            })
            .collect()
    };
    let write = components(&ring(writes)).len();
    let all: Vec<Vec<bool>> = (0..count)
        .map(|from| {
            (0..count)
                .map(|to| writes[from][to] || reads[from][to])
                .collect()
        })
        .collect();
    let with_reads = components(&ring(&all)).into_iter().filter(|members| {
        members
            .iter()
            .any(|from| members.iter().any(|to| reads[*from][*to]))
    });
    (write, with_reads.count())
}
