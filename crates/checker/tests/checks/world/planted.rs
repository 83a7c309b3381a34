//! What goes wrong in the logs of a world, and in their replicas, because it is planted.

use super::*;

impl Maker {
    pub(super) fn plant_in_log(&mut self) {
        let mut clean: Vec<usize> = (0..self.sent.len())
            .filter(|at| matches!(self.sent[*at].told, Reported::Acknowledged(0..)))
            .collect();
        self.dice.shuffle(&mut clean);
        for count in 0..self.size.planted {
            let fresh = 10_000 + i64::try_from(count).unwrap();
            self.plant_swap(&mut clean);
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                self.log_of(sent)[sent.slot.unwrap()] = Slot::Gap;
            }
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                let copy = Slot::Is(Content::Ours(sent.record));
                self.log_of(sent).push(copy);
            }
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                self.log_of(sent)[sent.slot.unwrap()] = Slot::Is(Content::Corrupt);
            }
            if let Some(at) = clean.pop() {
                self.sent[at].told = Reported::Failed;
            }
            if let Some(at) = clean.pop() {
                self.sent[at].told = Reported::Acknowledged(fresh);
            }
            if let Some([one, other]) = clean.last_chunk().copied()
                && self.sent[one].to == self.sent[other].to
            {
                self.sent[one].told = self.sent[other].told;
                clean.truncate(clean.len() - 2);
            }
            let partition = self.dice.below(self.logs.len());
            let stranger = match self.dice.below(3) {
                0 => Content::Foreign,
                1 => Content::Misplaced(id(0, 0)),
                _ => Content::Ours(id(77, 0)),
            };
            self.logs[partition].push(Slot::Is(stranger));
        }
    }

    /// Two records change places, and their acknowledgements with them.
    pub(super) fn plant_swap(&mut self, clean: &mut Vec<usize>) {
        let Some(first) = clean.pop() else {
            return;
        };
        let to = self.sent[first].to;
        let Some(second) = clean.iter().position(|at| self.sent[*at].to == to) else {
            return;
        };
        let second = clean.swap_remove(second);
        let (a, b) = (self.sent[first], self.sent[second]);
        self.log_of(a).swap(a.slot.unwrap(), b.slot.unwrap());
        (self.sent[first].slot, self.sent[second].slot) = (b.slot, a.slot);
        (self.sent[first].told, self.sent[second].told) = (b.told, a.told);
    }

    /// What becomes of the logs once they were read: they are cleaned
    /// up and, where that is planted, cut off and written over.
    pub(super) fn age(&mut self) {
        self.truth = self.logs.clone();
        self.starts = vec![0; self.logs.len()];
        if self.size.witness == Witness::Readers {
            return;
        }
        for log in 0..self.logs.len() {
            let slots = self.logs[log].len();
            if self.size.kept.compacts() {
                for slot in 0..slots {
                    if self.dice.percent(20) {
                        self.truth[log][slot] = Slot::Gap;
                    }
                }
            }
            if self.size.planted > 0 {
                self.plant_over(log);
                let cut = self.dice.below(4).min(slots);
                self.truth[log].truncate(slots - cut);
                self.plant_growth(log);
            }
            if self.size.kept.deletes() && self.dice.percent(50) {
                self.starts[log] = self.dice.below(self.truth[log].len() + 1);
                self.truth[log][..self.starts[log]].fill(Slot::Gap);
            }
        }
    }

    /// Another leader took over, and wrote something else.
    pub(super) fn plant_over(&mut self, log: usize) {
        let slot = self.dice.below(self.logs[log].len());
        if self.logs[log].is_empty() || self.dice.percent(50) {
            return;
        }
        let record = id(0, 10_000 + log as u64);
        let at = self.invoke(record, log);
        self.truth[log][slot] = Slot::Is(Content::Ours(record));
        if self.dice.percent(50) {
            self.sent[at].told = Reported::Acknowledged(number(slot));
        }
        self.deeds.push((record.producer, Deed::Complete(at)));
    }

    /// The log grows again where it was cut.
    pub(super) fn plant_growth(&mut self, log: usize) {
        if self.dice.percent(50) {
            return;
        }
        // Of some logs nothing is left: a disk was lost.
        if self.dice.percent(30) {
            self.truth[log].clear();
        }
        for count in 0..self.dice.below(2 * self.logs[log].len() + 2) {
            let record = id(0, 20_000 + 1_000 * log as u64 + count as u64);
            let at = self.invoke(record, log);
            let slot = self.truth[log].len();
            self.truth[log].push(Slot::Is(Content::Ours(record)));
            if self.dice.percent(80) {
                self.sent[at].told = Reported::Acknowledged(number(slot));
            }
            self.deeds.push((record.producer, Deed::Complete(at)));
        }
    }

    /// Of what each producer was told of a log, only the highest offset is held
    /// against what it was told later, and only the last such case is kept.
    pub(super) fn overtake(&mut self) {
        let mut sent: BTreeMap<ProducerIx, Sequence> = BTreeMap::new();
        let mut told: BTreeMap<(ProducerIx, usize), (i64, RecordId, Sequence)> = BTreeMap::new();
        let mut overtaken = BTreeMap::new();
        for (producer, deed) in &self.deeds {
            match deed {
                Deed::Invoke(at) => {
                    let highest = sent.entry(*producer).or_default();
                    *highest = (*highest).max(self.sent[*at].record.sequence);
                }
                Deed::Complete(at) => {
                    let it = self.sent[*at];
                    let Reported::Acknowledged(offset @ 0..) = it.told else {
                        continue;
                    };
                    let log = usize::try_from(it.to.partition.get()).unwrap();
                    let by_then = sent.get(producer).copied().unwrap_or_default();
                    match told.get(&(*producer, log)) {
                        Some((before, record, heard)) if offset <= *before => {
                            if it.record.sequence > *heard {
                                overtaken.insert((*producer, log), (*record, it.record, offset));
                            }
                        }
                        _ => {
                            told.insert((*producer, log), (offset, it.record, by_then));
                        }
                    }
                }
            }
        }
        self.overtaken = overtaken;
    }

    /// What each record without an offset was followed by.
    pub(super) fn follow(&mut self) {
        let mut open: Vec<Sent> = Vec::new();
        for (_, deed) in &self.deeds {
            let Deed::Complete(at) = deed else {
                continue;
            };
            let it = self.sent[*at];
            match it.told {
                Reported::Acknowledged(offset @ 0..) => {
                    for before in &open {
                        if before.to == it.to
                            && before.record.producer == it.record.producer
                            && before.record.sequence < it.record.sequence
                        {
                            self.below.entry(before.record).or_insert(offset);
                        }
                    }
                }
                Reported::Acknowledged(_) => open.push(it),
                Reported::Failed | Reported::Unknown => {}
            }
        }
    }
}
