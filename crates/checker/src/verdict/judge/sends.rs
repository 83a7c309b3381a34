//! Outcomes that producers were given: whether there are any, and good ones.

use crate::analysis::Analysis;
use crate::verdict::judge::clients;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive, violated};

/// Judged by counting: the sends that were acknowledged against all of them.
pub(super) fn all_acknowledged(analysis: &Analysis) -> Ruling {
    let counts = &analysis.counts;
    if let Some(ruling) = not_over(analysis) {
        return ruling;
    }
    let missing = analysis.coverage.unacknowledged;
    if missing > 0 {
        return violated(format!(
            "{missing} of {} records were not acknowledged: {} certainly not written, {} of \
             unknown outcome{}",
            counts.sent,
            counts.failed,
            counts.unknown,
            clients::reasons(analysis)
        ));
    }
    held(format!("all {} records were acknowledged", counts.sent))
}

/// Judged by looking for an outcome, of whatever kind, of each send.
pub(super) fn outcomes_told(analysis: &Analysis) -> Ruling {
    let counts = &analysis.counts;
    if let Some(ruling) = not_over(analysis) {
        return ruling;
    }
    if let (untold @ 1.., first) = analysis.coverage.untold {
        let first = first.map_or_else(String::new, |first| format!(", first {first}"));
        return violated(format!(
            "of {untold} of {} records nothing was ever heard{first}",
            counts.sent
        ));
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
