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
    let mut doubts = without_effect(faults);
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

/// The faults that never took effect: where there are several in the scenario,
/// those with one reason by their numbers, as the plan has them.
fn without_effect(faults: &[FaultVerdict]) -> Vec<String> {
    let mut told: Vec<(&str, String, Vec<usize>)> = Vec::new();
    for (fault, number) in faults.iter().zip(1..).filter(|(fault, _)| !fault.landed) {
        let why = why_not(fault);
        match told.iter_mut().find(|it| it.0 == fault.kind && it.1 == why) {
            Some((.., numbers)) => numbers.push(number),
            None => told.push((&fault.kind, why, vec![number])),
        }
    }
    told.into_iter()
        .map(|(kind, why, numbers)| match numbers.as_slice() {
            _ if faults.len() == 1 => format!("the fault {kind} never took effect: {why}"),
            [number] => format!("fault {number} ({kind}) never took effect: {why}"),
            [first, .., last] if last - first + 1 == numbers.len() => {
                format!("faults {first} to {last} ({kind}) never took effect: {why}")
            }
            numbers => {
                let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                let numbers = numbers.join(", ");
                format!("faults {numbers} ({kind}) never took effect: {why}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use model::event::{Evidence, Found};

    use super::*;

    fn fault(kind: &str, landed: bool, detail: &str) -> FaultVerdict {
        FaultVerdict {
            kind: kind.to_owned(),
            landed,
            injected_ms: Some(1),
            healed_ms: None,
            evidence: vec![Evidence {
                observation: "traffic met it".to_owned(),
                found: if landed { Found::Yes } else { Found::No },
                detail: detail.to_owned(),
            }],
            aftermath: Vec::new(),
        }
    }

    #[test]
    fn faults_with_one_reason_are_named_once_by_their_numbers() {
        assert!(without_effect(&[fault("link-cut", true, "3 sends")]).is_empty());
        let lone = fault("link-cut", false, "0 sends");
        let why = "never took effect: not found: traffic met it (0 sends)";
        assert_eq!(
            without_effect(std::slice::from_ref(&lone)),
            [format!("the fault link-cut {why}")]
        );
        let landed = fault("link-cut", true, "3 sends");
        let other = fault("broker-pause", false, "0 sends");
        let faults = [lone.clone(), landed, lone.clone(), other, lone.clone()];
        assert_eq!(
            without_effect(&faults),
            [
                format!("faults 1, 3, 5 (link-cut) {why}"),
                format!("fault 4 (broker-pause) {why}"),
            ]
        );
        let faults = [fault("link-cut", true, "3 sends"), lone.clone(), lone];
        assert_eq!(
            without_effect(&faults),
            [format!("faults 2 to 3 (link-cut) {why}")]
        );
    }
}
