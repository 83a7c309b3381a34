//! Circles of transactions that depend on one another, as Elle finds them
//! (Kingsbury and Alvaro, VLDB 2020). Knows nothing of how a transaction's
//! outcome is settled.
//!
//! The graph's nodes are the committed transactions. A *write* edge leads from
//! a transaction to the one whose committed records stand next in some
//! partition: the order of the log is the order of versions. A *read* edge
//! leads from the transaction that wrote a record to the one for which it was
//! read.
//!
//! - *G0*: a strongly connected component of write edges alone.
//! - *G1c*: a strongly connected component of all edges, with a read edge
//!   inside it: an edge inside a component always lies on a circle.
//!
//! Each component counts once. The example is a shortest circle in it, or the
//! shortest of those through its first [`TRIES_MAX`] edges.
//!
//! Held, while the history is settled: one entry for each different edge.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::anomaly::Anomaly;
use model::ids::{Offset, PartitionRef};

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::groups::readers::Readers;
use crate::log::Ledger;
use crate::names::Names;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, TxnRange, Visible};
use crate::txn::reads::TxnRead;
use crate::txn::tracker::Tx;

/// Edges of a component of which the shortest circle is looked for, at most.
const TRIES_MAX: usize = 64;
/// Edges collected before doubles are thrown out for the first time.
const EDGES_BEFORE_SORTING: usize = 1 << 16;

/// Why one transaction comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EdgeKind {
    Write,
    Read,
}

/// One transaction comes after another; the record at the place shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: Tx,
    to: Tx,
    kind: EdgeKind,
    partition: PartitionRef,
    offset: Offset,
}

/// How much there was that could have made a circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleCoverage {
    /// Pairs of transactions of which one wrote right behind the other.
    pub writes: u64,
    /// Pairs of transactions of which one read what the other wrote.
    pub reads: u64,
    /// Circles of readings alone.
    pub read_circles: u64,
}

/// Looks for circles.
#[derive(Default)]
pub(crate) struct Cycles;

impl Analyzer for Cycles {
    type Uses<'d> = (&'d Ledger, &'d Readers);
    type Coverage = CycleCoverage;

    fn settle(
        &mut self,
        context: &Context,
        (log, readers): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> CycleCoverage {
        let reads = readers.joined_reads();
        find_cycles(&context.txn_outcomes, reads, log, &context.names, collector)
    }
}

/// Finds the circles of a history.
fn find_cycles(
    txn_outcomes: &TxnOutcomes,
    reads: &[TxnRead],
    log: &Ledger,
    names: &Names,
    collector: &mut FindingCollector,
) -> CycleCoverage {
    let edges = collect(txn_outcomes, reads, log);
    let of_kind = |kind: EdgeKind| edges.iter().filter(move |edge| edge.kind == kind);
    let writes: Vec<Edge> = of_kind(EdgeKind::Write).copied().collect();
    let read: Vec<Edge> = of_kind(EdgeKind::Read).copied().collect();
    let nodes = txn_outcomes.transactions.len();
    let coverage = CycleCoverage {
        writes: writes.len() as u64,
        reads: read.len() as u64,
        read_circles: Graph::new(nodes, &read).circles(),
    };
    for (anomaly, graph) in [
        (Anomaly::G0, Graph::new(nodes, &writes)),
        (Anomaly::G1c, Graph::new(nodes, &edges)),
    ] {
        let wanted = |edge: &Edge| anomaly == Anomaly::G0 || edge.kind == EdgeKind::Read;
        report(anomaly, &graph, wanted, txn_outcomes, names, collector);
    }
    coverage
}

/// Every edge once, in order.
fn collect(txn_outcomes: &TxnOutcomes, reads: &[TxnRead], log: &Ledger) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    let mut sort_at = EDGES_BEFORE_SORTING;
    let mut add = |edge: Edge| {
        edges.push(edge);
        if edges.len() >= sort_at {
            distinct(&mut edges);
            sort_at = EDGES_BEFORE_SORTING.max(edges.len() * 2);
        }
    };
    for partition in txn_outcomes.partitions() {
        let mut before: Option<Tx> = None;
        for (stand, tx) in txn_outcomes.stands(partition).iter().filter_map(committed) {
            if let Some(from) = before.replace(tx).filter(|from| *from != tx) {
                add(Edge {
                    from,
                    to: tx,
                    kind: EdgeKind::Write,
                    partition,
                    offset: Offset::new(stand.first),
                });
            }
        }
    }
    for read in reads {
        if txn_outcomes.outcome(read.tx) != TxnOutcome::Committed {
            continue;
        }
        let Some(held) = log.partition(read.partition) else {
            continue;
        };
        let stands = txn_outcomes.stands(read.partition);
        let from = stands.partition_point(|stand| stand.last < read.first.get());
        let met = stands[from..]
            .iter()
            .take_while(|stand| stand.first <= read.last.get());
        for (stand, writer) in met.filter_map(committed) {
            let first = read.first.get().max(stand.first);
            let mut both = first..=read.last.get().min(stand.last);
            // What was read in a hole between the writer's records was
            // another's, and so was what was read before its offset was used
            // again.
            let reused = |at: i64| log.past().was_reused(read.partition, at);
            let is_its = |at: i64| held.has(at) && !reused(at);
            if writer != read.tx && both.any(is_its) {
                add(Edge {
                    from: writer,
                    to: read.tx,
                    kind: EdgeKind::Read,
                    partition: read.partition,
                    offset: Offset::new(first),
                });
            }
        }
    }
    distinct(&mut edges);
    edges
}

/// What committed transactions wrote.
fn committed(stand: &TxnRange) -> Option<(&TxnRange, Tx)> {
    (stand.visible == Visible::Yes).then_some(())?;
    Some((stand, stand.tx?))
}

fn distinct(edges: &mut Vec<Edge>) {
    edges.sort_unstable();
    edges.dedup_by_key(|edge| (edge.from, edge.to, edge.kind));
}

fn report(
    anomaly: Anomaly,
    graph: &Graph<'_>,
    wanted: impl Fn(&Edge) -> bool,
    txn_outcomes: &TxnOutcomes,
    names: &Names,
    collector: &mut FindingCollector,
) {
    let component = graph.components();
    let mut inside: HashMap<u32, Vec<&Edge>> = HashMap::new();
    for edge in graph.edges {
        let of = component[edge.from.index()];
        if of == component[edge.to.index()] {
            inside.entry(of).or_default().push(edge);
        }
    }
    let mut found: Vec<(u32, Vec<&Edge>)> = inside
        .into_iter()
        .filter(|(_, edges)| edges.iter().any(|edge| wanted(edge)))
        .collect();
    found.sort_unstable_by_key(|(_, edges)| edges.iter().map(|edge| edge.from).min());
    for (of, edges) in found {
        let mut members: Vec<Tx> = edges.iter().map(|edge| edge.from).collect();
        members.sort_unstable();
        members.dedup();
        let Some(first) = members.first() else {
            continue;
        };
        let reference = |tx: Tx| txn_outcomes.transactions.get(tx).reference;
        collector.add_transaction(anomaly, reference(*first), || {
            let through = edges.iter().filter(|edge| wanted(edge)).take(TRIES_MAX);
            let circles = through.filter_map(|edge| graph.circle(edge, of, &component));
            let circle = circles.min_by_key(Vec::len).unwrap_or_default();
            let mut watch = Vec::new();
            let steps: Vec<String> = circle
                .iter()
                .map(|edge| {
                    watch.push(Watch::Position(edge.partition, edge.offset));
                    watch.push(Watch::Transaction(reference(edge.from)));
                    let place = format!("{}@{}", names.partition(edge.partition), edge.offset);
                    let (from, to) = (reference(edge.from), reference(edge.to));
                    match edge.kind {
                        EdgeKind::Write => format!("{to} wrote {place} behind {from}"),
                        EdgeKind::Read => format!("{to} read {place}, which {from} wrote"),
                    }
                })
                .collect();
            (steps.join("; "), watch)
        });
        for member in members {
            let member = reference(member);
            let scope = Scope::Transactions(member.producer);
            collector.name_too(anomaly, scope, member.transaction.get().cast_signed());
        }
    }
}

/// A directed graph, its edges sorted by where they begin.
struct Graph<'e> {
    edges: &'e [Edge],
    /// Where the edges of each node begin; one more entry than nodes.
    begin: Vec<usize>,
}

impl<'e> Graph<'e> {
    fn new(nodes: usize, edges: &'e [Edge]) -> Self {
        let mut begin = vec![0; nodes + 1];
        for edge in edges {
            begin[edge.from.index() + 1] += 1;
        }
        for node in 0..nodes {
            begin[node + 1] += begin[node];
        }
        Self { edges, begin }
    }

    fn from(&self, node: usize) -> &'e [Edge] {
        &self.edges[self.begin[node]..self.begin[node + 1]]
    }

    /// The strongly connected component of each node, by Tarjan's algorithm
    /// (SIAM J. Comput. 1972), with a stack of its own: a history may have
    /// chains of millions of transactions.
    fn components(&self) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX;
        let nodes = self.begin.len() - 1;
        let mut order = vec![UNSEEN; nodes];
        let mut low = vec![0u32; nodes];
        let mut component = vec![UNSEEN; nodes];
        let mut waiting: Vec<usize> = Vec::new();
        let mut path: Vec<(usize, usize)> = Vec::new();
        let (mut seen, mut components) = (0u32, 0u32);
        for root in 0..nodes {
            if order[root] != UNSEEN {
                continue;
            }
            path.push((root, 0));
            while let Some((node, next)) = path.pop() {
                if next == 0 {
                    order[node] = seen;
                    low[node] = seen;
                    seen += 1;
                    waiting.push(node);
                }
                if let Some(edge) = self.from(node).get(next) {
                    path.push((node, next + 1));
                    let to = edge.to.index();
                    if order[to] == UNSEEN {
                        path.push((to, 0));
                    } else if component[to] == UNSEEN {
                        low[node] = low[node].min(order[to]);
                    }
                    continue;
                }
                if low[node] == order[node] {
                    while let Some(member) = waiting.pop() {
                        component[member] = components;
                        if member == node {
                            break;
                        }
                    }
                    components += 1;
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        component
    }

    /// How many components have a circle in them.
    fn circles(&self) -> u64 {
        let component = self.components();
        let inside = self.edges.iter().filter_map(|edge| {
            let of = component[edge.from.index()];
            (of == component[edge.to.index()]).then_some(of)
        });
        inside.collect::<BTreeSet<u32>>().len() as u64
    }

    /// A shortest circle inside a component that goes through an edge.
    fn circle(&self, through: &'e Edge, of: u32, component: &[u32]) -> Option<Vec<&'e Edge>> {
        let mut reached: HashMap<Tx, &'e Edge> = HashMap::new();
        let mut next = VecDeque::from([through.to]);
        while let Some(node) = next.pop_front() {
            if node == through.from {
                let mut circle = vec![through];
                let mut back = Vec::new();
                let mut at = node;
                while at != through.to {
                    let edge = *reached.get(&at)?;
                    back.push(edge);
                    at = edge.from;
                }
                circle.extend(back.into_iter().rev());
                return Some(circle);
            }
            for edge in self.from(node.index()) {
                if component[edge.to.index()] == of
                    && edge.to != through.to
                    && !reached.contains_key(&edge.to)
                {
                    reached.insert(edge.to, edge);
                    next.push_back(edge.to);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use model::event::{Body, Event};
    use model::ids::{Micros, ProducerIx, TransactionIx, TransactionRef};
    use proptest::prelude::*;

    use super::*;
    use crate::txn::tracker::Transactions;

    /// The numbers of `count` transactions.
    fn nodes(count: u64) -> Vec<Tx> {
        let mut transactions = Transactions::default();
        for number in 0..count {
            let transaction = TransactionRef {
                producer: ProducerIx::new(0),
                transaction: TransactionIx::new(number),
            };
            transactions.observe(&Event {
                at: Micros::new(0),
                body: Body::TransactionBegun { transaction },
            });
        }
        transactions.all().map(|(tx, _)| tx).collect()
    }

    fn edges(pairs: &[(usize, usize)], nodes: &[Tx]) -> Vec<Edge> {
        let mut edges = pairs
            .iter()
            .map(|(from, to)| Edge {
                from: nodes[*from],
                to: nodes[*to],
                kind: EdgeKind::Write,
                partition: PartitionRef::default(),
                offset: Offset::new(0),
            })
            .collect();
        distinct(&mut edges);
        edges
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let nodes = nodes(200_000);
        let mut pairs: Vec<_> = (1..nodes.len()).map(|at| (at - 1, at)).collect();
        pairs.push((nodes.len() - 1, 0));
        let edges = edges(&pairs, &nodes);
        let component = Graph::new(nodes.len(), &edges).components();
        assert!(component.iter().all(|of| *of == component[0]));
    }

    #[test]
    fn the_circle_shown_is_a_shortest_one() {
        let nodes = nodes(5);
        let edges = edges(&[(0, 1), (1, 2), (2, 3), (3, 0), (2, 0), (3, 4)], &nodes);
        let graph = Graph::new(nodes.len(), &edges);
        let component = graph.components();
        let circle = graph.circle(&edges[0], component[0], &component).unwrap();
        let way: Vec<usize> = circle.iter().map(|edge| edge.from.index()).collect();
        assert_eq!(way, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn components_are_what_reaches_one_another(pairs in prop::collection::vec((0usize..8, 0usize..8), 0..20)) {
            let nodes = nodes(8);
            let edges = edges(&pairs, &nodes);
            let component = Graph::new(8, &edges).components();
            let mut reaches = [[false; 8]; 8];
            for (at, reached) in reaches.iter_mut().enumerate() {
                reached[at] = true;
            }
            for (from, to) in pairs {
                reaches[from][to] = true;
            }
            for over in 0..8 {
                for from in 0..8 {
                    for to in 0..8 {
                        reaches[from][to] |= reaches[from][over] && reaches[over][to];
                    }
                }
            }
            for from in 0..8 {
                for to in 0..8 {
                    let both = reaches[from][to] && reaches[to][from];
                    prop_assert_eq!(component[from] == component[to], both);
                }
            }
        }
    }
}
