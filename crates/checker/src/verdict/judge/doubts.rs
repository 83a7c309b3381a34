//! Why a run as a whole cannot tell.

use model::claim::Contract;
use model::verdict::{Calibration, FaultVerdict};

use crate::analysis::Analysis;
use crate::verdict::judge::faults::why_not;
use crate::verdict::judge::{clients, row_changes};

/// Why the run as a whole cannot tell.
pub(super) fn doubts(
    contract: &Contract,
    faults: &[FaultVerdict],
    analysis: &Analysis,
    calibration: &[Calibration],
) -> Vec<String> {
    let mut doubts = Vec::new();
    for fault in faults.iter().filter(|fault| !fault.landed) {
        doubts.push(format!(
            "the fault {} never took effect: {}",
            fault.kind,
            why_not(fault)
        ));
    }
    let happened = &analysis.coverage.occurrences;
    let missing = contract.must_happen.iter().filter(|it| !happened.has(it));
    doubts.extend(missing.map(|it| format!("what the scenario is about did not happen: {it}")));
    let completeness = &analysis.completeness;
    match &completeness.aborted {
        Some(reason) => doubts.push(format!(
            "the scenario was given up: {reason}{}",
            clients::reports(analysis)
        )),
        None if !completeness.completed => {
            doubts.push("the history ends before the run was completed".to_owned());
        }
        None => {}
    }
    doubts.extend(completeness.gaps());
    for what in &completeness.lacking {
        doubts.push(format!("the history lacks something: {what}"));
    }
    if let Some(capture) = &analysis.coverage.capture {
        if !capture.unread.is_empty() {
            let unread = capture.unread.join(", ");
            doubts.push(format!(
                "tables or their topics not read to the end: {unread}"
            ));
        }
        doubts.extend(row_changes::doubts(capture));
        if capture.disowned > 0 {
            doubts.push(format!(
                "the database does not hold {} rows as it confirmed them",
                capture.disowned
            ));
        }
    }
    for missed in calibration.iter().filter(|mutant| !mutant.found) {
        doubts.push(format!(
            "the checker missed a planted {}: {}",
            missed.anomaly, missed.mutation
        ));
    }
    doubts
}
