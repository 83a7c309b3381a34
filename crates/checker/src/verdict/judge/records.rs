//! The rulings on records: none lost, none twice.

use model::claim::Claim;
use model::scenario::words::counted;
use model::verdict::Verdict;

use crate::analysis::Analysis;
use crate::derived::DerivationCoverage;
use crate::invariants::without;
use crate::verdict::judge::row_changes;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive};

pub(super) fn no_loss(analysis: &Analysis) -> Ruling {
    let (counts, coverage) = (&analysis.counts, &analysis.coverage);
    if coverage.expired > 0 {
        return inconclusive(format!(
            "{} acknowledged records lie below the log start: retention may have taken them",
            coverage.expired
        ));
    }
    if coverage.compacted > 0 {
        return inconclusive(format!(
            "{} acknowledged records lie in holes of compacted topics: later ones of their keys \
             may have replaced them",
            coverage.compacted
        ));
    }
    if coverage.damaged > 0 {
        return inconclusive(format!(
            "damaged records stand where {} were acknowledged",
            coverage.damaged
        ));
    }
    if counts.acknowledged > 0 && coverage.settled_acks < counts.acknowledged {
        return inconclusive(format!(
            "only {} of {} acknowledged records could be looked for",
            coverage.settled_acks, counts.acknowledged
        ));
    }
    match &coverage.capture {
        Some(capture) if capture.changes > 0 => {
            match row_changes::claim(Claim::NoRowMissing, analysis) {
                Ruling(Verdict::Held, reason) if counts.acknowledged > 0 => {
                    held(format!("{}; {reason}", all_kept(analysis)))
                }
                ruling => ruling,
            }
        }
        _ if counts.acknowledged == 0 => inconclusive("nothing was acknowledged"),
        _ => held(all_kept(analysis)),
    }
}

/// Where all acknowledged records are, when none is lost.
fn all_kept(analysis: &Analysis) -> String {
    let acknowledged = analysis.counts.acknowledged;
    match analysis.coverage.replaced {
        0 => format!("{acknowledged} acknowledged records, all stored"),
        replaced => format!(
            "{acknowledged} acknowledged records: {} stored, {replaced} replaced by later ones of \
             their keys",
            without(
                acknowledged,
                replaced,
                "records replaced, of those acknowledged"
            )
        ),
    }
}

pub(super) fn no_duplicates(analysis: &Analysis) -> Ruling {
    let (stored, derived) = (analysis.counts.stored, &analysis.coverage.derived);
    if stored == 0 {
        return inconclusive("nothing is stored");
    }
    if derived.unsettled > 0 {
        return inconclusive(format!(
            "{} records were made in transactions of unknown outcome",
            derived.unsettled
        ));
    }
    let each_once = format!("{} stored, each once", counted(stored, "record"));
    match derived {
        DerivationCoverage { groups: 0, .. } => held(each_once),
        DerivationCoverage { made: 0, .. } => {
            inconclusive("nothing was made of any record, though a group writes")
        }
        DerivationCoverage { made, aborted, .. } => held(format!(
            "{each_once}; {made} of them were made of others, one of each, and {aborted} more \
             were aborted"
        )),
    }
}
