//! Rulings on what brokers alone answer for: that no log moves back, and that
//! replicas agree. Knows nothing of what was sent or read.

use crate::analysis::Analysis;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive};

pub(super) fn no_truncation(analysis: &Analysis) -> Ruling {
    let coverage = &analysis.coverage.truncation;
    if coverage.compared == 0 {
        return inconclusive(
            "no partition was known to have reached anywhere before it was pinned",
        );
    }
    held(format!(
        "{} partitions pinned, none ended before anything that was seen, acknowledged or read in it",
        coverage.compared
    ))
}

pub(super) fn replicas_agree(analysis: &Analysis) -> Ruling {
    let coverage = &analysis.coverage.replicas;
    if !coverage.unread.is_empty() {
        let unread = coverage.unread.join(", ");
        return inconclusive(format!("replicas not read to the end: {unread}"));
    }
    if !coverage.alone.is_empty() {
        let alone = coverage.alone.join(", ");
        return inconclusive(format!("of these only one replica was read: {alone}"));
    }
    if coverage.compared == 0 {
        return inconclusive("no record stands in two replicas that were read");
    }
    held(format!(
        "{} records compared, the same in all of the {} replicas of {} partitions",
        coverage.compared, coverage.replicas, coverage.partitions
    ))
}
