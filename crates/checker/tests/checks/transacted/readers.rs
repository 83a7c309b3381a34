//! What the groups of a world of transactions read and commit, and what is planted there.

use super::*;

impl Maker {
    pub(super) fn is_given(&self, group: usize, cell: Cell) -> bool {
        cell.record.is_some()
            && (group == UNCOMMITTED
                || cell
                    .tx
                    .is_none_or(|tx| self.txs[tx].state == State::Committed))
    }

    /// The first offset of an open transaction, or the end.
    pub(super) fn readable(&self, group: usize, log: usize) -> usize {
        let cells = &self.logs[log];
        let open = cells.iter().position(|cell| {
            group != UNCOMMITTED && cell.tx.is_some_and(|tx| self.txs[tx].state == State::Open)
        });
        open.unwrap_or(cells.len())
    }

    pub(super) fn process(&mut self, source: usize, member: u32, read: Read) {
        let record = self.logs[read.log][read.offset].record.unwrap();
        let at_us = self.clock_us + 10;
        self.reads.push(Read { at_us, ..read });
        let processed = Body::Processed {
            member: MemberIx::new(member),
            from: partition(read.log),
            offset: offset(read.offset),
            content: Content::Ours(record),
        };
        self.say(source, processed);
    }

    pub(super) fn step(
        &mut self,
        reader: &mut Reader,
        log: usize,
        at: usize,
        inside: Option<usize>,
    ) {
        let now = i64::try_from(at).unwrap();
        if let Some((from, with)) = reader.last[log].replace((now, inside)) {
            self.steps.push(Step {
                group: reader.group,
                log,
                from,
                to: now,
                inside: inside.is_some() && with == inside,
            });
        }
        let read = Read {
            group: reader.group,
            log,
            offset: at,
            inside,
            at_us: 0,
        };
        self.process(reader.source, reader.member, read);
    }

    /// Reads on in one partition; swaps two readings, or passes one over, where
    /// that is planted.
    pub(super) fn read_on(&mut self, reader: &mut Reader, log: usize, inside: Option<usize>) {
        let end = self.readable(reader.group, log);
        let count = 1 + self.dice.below(4);
        let mut ahead: Vec<usize> = (reader.next[log]..end)
            .filter(|at| self.is_given(reader.group, self.logs[log][*at]))
            .take(count)
            .collect();
        let Some(last) = ahead.last().copied() else {
            return;
        };
        if ahead.len() > 1 && self.plants() {
            ahead.swap(0, 1);
        }
        if self.plants() {
            ahead.remove(0);
        }
        for at in ahead {
            self.step(reader, log, at, inside);
        }
        reader.next[log] = last + 1;
    }

    pub(super) fn consume(&mut self, reader: &mut Reader) {
        let log = self.dice.below(INPUTS);
        self.read_on(reader, log, None);
        if self.plants() {
            self.go_on_as_a_zombie(reader);
        }
        if self.plants() && reader.group == COMMITTED {
            self.read_aborted(reader);
        }
        match self.dice.below(12) {
            0..4 => self.commit(reader),
            4 => {
                self.commit(reader);
                let taken = Body::Revoked {
                    member: MemberIx::new(reader.member),
                    partitions: (0..PARTITIONS).map(partition).collect(),
                };
                self.say(reader.source, taken);
                self.assign(reader);
            }
            5 => {
                let (member, how) = (MemberIx::new(reader.member), Ending::Killed);
                self.say(reader.source, Body::MemberEnded { member, how });
                self.start(reader);
            }
            _ => {}
        }
    }

    pub(super) fn commit(&mut self, reader: &mut Reader) {
        for log in 0..PARTITIONS {
            if reader.committed[log] != reader.next[log] {
                reader.committed[log] = reader.next[log];
                let committed = Body::Committed {
                    member: MemberIx::new(reader.member),
                    partition: partition(log),
                    offset: offset(reader.next[log]),
                    result: CommitResult::Accepted,
                };
                self.say(reader.source, committed);
            }
        }
    }

    /// One transaction of the pipeline.
    pub(super) fn pipe(&mut self, reader: &mut Reader) {
        self.begin(PIPELINE);
        let tx = self.open[&PIPELINE];
        let transaction = self.txs[tx].reference;
        let member = MemberIx::new(reader.member);
        let joined = Body::TransactionJoined {
            transaction,
            member,
        };
        self.say(reader.source, joined);
        for log in 0..INPUTS {
            self.read_on(reader, log, Some(tx));
        }
        for _ in 0..=self.dice.below(2) {
            self.send(PIPELINE, OUTPUT);
        }
        self.acknowledge(tx);
        for log in 0..INPUTS {
            self.handed.push((tx, log, reader.next[log]));
            let handed = Body::OffsetSent {
                transaction,
                group: group_ix(PIPED),
                partition: partition(log),
                offset: offset(reader.next[log]),
            };
            self.say(reader.source, handed);
        }
        let committed = self.dice.percent(70);
        let (state, outcome) = match (committed, self.dice.percent(70)) {
            (true, true) => (State::Committed, TransactionOutcome::Committed),
            (false, true) => (State::Aborted, TransactionOutcome::Aborted),
            (_, false) => {
                let error = "timed out".to_owned();
                let state = if committed {
                    State::Committed
                } else {
                    State::Aborted
                };
                (state, TransactionOutcome::Unknown { error })
            }
        };
        let intent = match outcome {
            TransactionOutcome::Aborted => Intent::Abort,
            _ => Intent::Commit,
        };
        let told = outcome == TransactionOutcome::Committed;
        self.close(PIPELINE, Some(intent), state, outcome);
        if state == State::Committed {
            reader.committed = reader.next;
        }
        if !told {
            // What was read is read again from the committed position, which
            // the member looks up.
            reader.next = reader.committed;
            for log in 0..INPUTS {
                if reader.last[log].is_some() {
                    let next = reader.next[log];
                    reader.last[log] = Some((i64::try_from(next).unwrap() - 1, None));
                    let set = Body::Repositioned {
                        member,
                        partition: partition(log),
                        next: Some(offset(next)),
                    };
                    self.say(reader.source, set);
                }
            }
        }
    }

    // What is planted.

    pub(super) fn some_cell(
        &mut self,
        wanted: impl Fn(&Self, Cell) -> bool,
    ) -> Option<(usize, usize)> {
        let cells: Vec<(usize, usize)> = (0..INPUTS)
            .flat_map(|log| (0..self.logs[log].len()).map(move |at| (log, at)))
            .filter(|(log, at)| wanted(self, self.logs[*log][*at]))
            .collect();
        (!cells.is_empty()).then(|| cells[self.dice.below(cells.len())])
    }

    /// A member of its own processes a record before its commit is asked for.
    pub(super) fn read_early(&mut self, tx: usize) {
        let cell = self.some_cell(|_, cell| cell.tx == Some(tx) && cell.record.is_some());
        let Some((log, at)) = cell else {
            return;
        };
        let member = self.new_member(6, COMMITTED);
        self.early
            .insert((COMMITTED, self.logs[log][at].record.unwrap()));
        let read = Read {
            group: COMMITTED,
            log,
            offset: at,
            inside: None,
            at_us: 0,
        };
        self.process(6, member.get(), read);
    }

    /// A member of its own reads some committed record for a transaction.
    pub(super) fn read_inside(&mut self, tx: usize) {
        let cell = self.some_cell(|maker, cell| {
            let committed = |tx: usize| maker.txs[tx].state == State::Committed;
            cell.record.is_some() && cell.tx.is_some_and(committed)
        });
        let Some((log, at)) = cell else {
            return;
        };
        let reference = self.txs[tx].reference;
        let source = reference.producer.get() as usize;
        let member = self.new_member(source, UNCOMMITTED);
        let joined = Body::TransactionJoined {
            transaction: reference,
            member,
        };
        self.say(source, joined);
        let read = Read {
            group: UNCOMMITTED,
            log,
            offset: at,
            inside: Some(tx),
            at_us: 0,
        };
        self.process(source, member.get(), read);
    }

    pub(super) fn read_aborted(&mut self, reader: &Reader) {
        let cell = self.some_cell(|maker, cell| {
            cell.record.is_some()
                && cell
                    .tx
                    .is_some_and(|tx| maker.txs[tx].state == State::Aborted)
        });
        if let Some((log, at)) = cell {
            let member = self.new_member(6, reader.group);
            let read = Read {
                group: reader.group,
                log,
                offset: at,
                inside: None,
                at_us: 0,
            };
            self.process(6, member.get(), read);
        }
    }

    /// A member of its own is given a partition, loses it, and goes on.
    pub(super) fn go_on_as_a_zombie(&mut self, reader: &Reader) {
        let group = reader.group;
        // Nothing of an open transaction: it would be read too early besides.
        let cell = self.some_cell(|maker, cell| {
            let open = |tx: usize| maker.txs[tx].state == State::Open;
            maker.is_given(group, cell) && !cell.tx.is_some_and(open)
        });
        let Some((log, at)) = cell else {
            return;
        };
        let member = self.new_member(6, group);
        let partitions = vec![partition(log)];
        let given = Body::Assigned {
            member,
            partitions: partitions.clone(),
        };
        self.say(6, given);
        self.say(6, Body::Revoked { member, partitions });
        self.zombies += 1;
        let read = Read {
            group,
            log,
            offset: at,
            inside: None,
            at_us: 0,
        };
        self.process(6, member.get(), read);
    }
}
