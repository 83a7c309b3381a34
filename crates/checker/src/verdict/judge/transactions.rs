//! Rulings on transactions: that only committed records are read, that each
//! becomes visible as a whole, and that none depend on one another in a
//! circle. Knows nothing of how any of it was found out.

use crate::analysis::Analysis;
use crate::txn::read_committed::IsolationCoverage;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive};

/// Put to the test only where a group was given records of committed
/// transactions, and passed records of aborted ones. One that reads what was
/// written outside of transactions has nothing to be tested by, and is left
/// out where others have.
pub(super) fn read_committed(analysis: &Analysis) -> Ruling {
    let all = &analysis.coverage.isolation;
    let mut groups: Vec<&IsolationCoverage> = all.iter().filter(|of| !of.is_plain).collect();
    if groups.is_empty() {
        groups = all.iter().collect();
    }
    if groups.is_empty() {
        return inconclusive("no group reads committed records only");
    }
    if let Some(reason) = unsettled(analysis) {
        return inconclusive(reason);
    }
    let tested = |group: &IsolationCoverage| group.committed > 0 && group.aborted_passed > 0;
    if let Some(group) = groups.iter().find(|group| group.unordered > 0) {
        return inconclusive(format!(
            "{} readings came too far ahead of their sending to be held against it",
            group.unordered
        ));
    }
    let reason = |group: &IsolationCoverage| {
        format!(
            "{} was given {} records of committed transactions, and none of the {} of aborted \
             ones that it passed",
            group.group, group.committed, group.aborted_passed
        )
    };
    match groups.iter().find(|group| !tested(group)) {
        Some(group) => inconclusive(reason(group)),
        None => held(
            groups
                .into_iter()
                .map(reason)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    }
}

pub(super) fn whole(analysis: &Analysis) -> Ruling {
    let coverage = &analysis.coverage.transactions;
    if let Some(reason) = unsettled(analysis) {
        return inconclusive(reason);
    }
    if coverage.committed_of_many == 0 {
        return inconclusive("no transaction of two records or more was committed");
    }
    held(format!(
        "{} transactions committed, {} of them of two records or more, all visible as a whole; \
         {} aborted",
        coverage.committed, coverage.committed_of_many, coverage.aborted
    ))
}

pub(super) fn no_cycles(analysis: &Analysis) -> Ruling {
    let coverage = &analysis.coverage.cycles;
    if let Some(reason) = unsettled(analysis) {
        return inconclusive(reason);
    }
    if coverage.reads == 0 {
        return inconclusive("no transaction read what another had written");
    }
    held(format!(
        "{} pairs of transactions of which one read what the other had written, {} of which one \
         wrote right behind the other, and no circle with a reading among them",
        coverage.reads, coverage.writes
    ))
}

/// Why it is not known what became of every transaction.
fn unsettled(analysis: &Analysis) -> Option<String> {
    let coverage = &analysis.coverage.transactions;
    [
        (coverage.unknown, "of unknown outcome"),
        (coverage.open, "not closed by a marker when it was pinned"),
        (
            coverage.disowned,
            "confirmed as committed, and aborted in the log",
        ),
    ]
    .into_iter()
    .find(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} transactions {what}"))
}
