//! Circles of transactions, by trying every way from each to each.

use std::collections::BTreeSet;

use checker::CycleCoverage;
use model::ids::TransactionRef;

use super::said::{Said, TxnOutcome};

type Edges = BTreeSet<(TransactionRef, TransactionRef)>;

impl Said {
    /// How many circles of writes alone there are, and how many in which there
    /// is a reading.
    pub(super) fn circles(&self) -> (usize, usize) {
        let (writes, reads) = (self.written_before(), self.read_from());
        let all: Edges = writes.union(&reads).copied().collect();
        let with_reading = components(&all).into_iter().filter(|component| {
            reads
                .iter()
                .any(|(from, to)| component.contains(from) && component.contains(to))
        });
        (components(&writes).len(), with_reading.count())
    }

    /// Which committed transaction has a record anywhere in front of one of
    /// which.
    fn written_before(&self) -> Edges {
        let mut edges = Edges::new();
        for partition in &self.partitions {
            let here = self.standing_in(*partition);
            for (at, this) in here.iter().enumerate() {
                for before in &here[..at] {
                    let both = (self.visibly_of(before), self.visibly_of(this));
                    if let (Some(before), Some(this)) = both
                        && before != this
                    {
                        edges.insert((before, this));
                    }
                }
            }
        }
        edges
    }

    /// Which committed transaction wrote something that was read for which.
    fn read_from(&self) -> Edges {
        let readings = self.readings.iter();
        let mut edges = Edges::new();
        for reading in readings {
            let Some(reader) = reading.inside else {
                continue;
            };
            if self.is_reused(reading.place) {
                continue;
            }
            let there = self
                .stored_records
                .iter()
                .filter(|it| it.place == reading.place);
            for writer in there.filter_map(|it| self.visibly_of(it)) {
                if writer != reader && self.outcome(reader) == TxnOutcome::Committed {
                    edges.insert((writer, reader));
                }
            }
        }
        edges
    }

    pub(super) fn cover_cycles(&self) -> CycleCoverage {
        let mut writes = Edges::new();
        for partition in &self.partitions {
            let here = self.standing_in(*partition);
            let order: Vec<_> = here.iter().filter_map(|it| self.visibly_of(it)).collect();
            let pairs = order.windows(2).map(|pair| (pair[0], pair[1]));
            writes.extend(pairs.filter(|(one, other)| one != other));
        }
        CycleCoverage {
            writes: writes.len() as u64,
            reads: self.read_from().len() as u64,
            read_circles: components(&self.read_from()).len() as u64,
        }
    }
}

/// Everything that lies on circles with one another.
fn components(edges: &Edges) -> BTreeSet<BTreeSet<TransactionRef>> {
    let nodes: BTreeSet<TransactionRef> = edges.iter().map(|(from, _)| *from).collect();
    let reached: Vec<(TransactionRef, BTreeSet<TransactionRef>)> = nodes
        .iter()
        .map(|node| (*node, reach(*node, edges)))
        .collect();
    let from = |node: &TransactionRef| {
        let of = reached.iter().find(|(of, _)| of == node);
        of.map(|(_, reached)| reached.clone()).unwrap_or_default()
    };
    nodes
        .iter()
        .filter(|node| from(node).contains(node))
        .map(|node| {
            let forth = from(node);
            forth
                .into_iter()
                .filter(|it| from(it).contains(node))
                .collect()
        })
        .collect()
}

fn reach(from: TransactionRef, edges: &Edges) -> BTreeSet<TransactionRef> {
    let mut reached: BTreeSet<TransactionRef> = BTreeSet::new();
    loop {
        let next: BTreeSet<TransactionRef> = edges
            .iter()
            .filter(|(start, _)| *start == from || reached.contains(start))
            .map(|(_, end)| *end)
            .collect();
        if next == reached {
            return reached;
        }
        reached = next;
    }
}
