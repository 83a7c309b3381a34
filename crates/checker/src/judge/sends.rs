//! What producers were told: whether anything, and whether it was good.

use super::{Ruling, held, inconclusive, violated};
use crate::checker::Analysis;

/// Judged by counting: the sends that were acknowledged against all of them.
pub(super) fn all_acknowledged(analysis: &Analysis) -> Ruling {
    let counts = &analysis.counts;
    if let Some(ruling) = not_over(analysis) {
        return ruling;
    }
    if counts.acknowledged < counts.sent {
        return violated(format!(
            "{} of {} records were acknowledged; {} certainly not written, {} of unknown outcome",
            counts.acknowledged, counts.sent, counts.failed, counts.unknown
        ));
    }
    held(format!("all {} records were acknowledged", counts.sent))
}

/// What was never heard of again contradicts it as a finding.
pub(super) fn outcomes_told(analysis: &Analysis) -> Ruling {
    let counts = &analysis.counts;
    if let Some(ruling) = not_over(analysis) {
        return ruling;
    }
    held(format!(
        "of all {} records the application was told what became of them: {} acknowledged, {} \
         certainly not written, {} of unknown outcome",
        counts.sent, counts.acknowledged, counts.failed, counts.unknown
    ))
}

/// Before the sending is over, an answer may still come.
fn not_over(analysis: &Analysis) -> Option<Ruling> {
    if analysis.counts.sent == 0 {
        return Some(inconclusive("nothing was sent"));
    }
    (!analysis.completeness.traffic_ended)
        .then(|| inconclusive("the sending did not come to its end"))
}
