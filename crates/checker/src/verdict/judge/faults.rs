//! Whether a fault landed, and what traffic it met.

use model::claim::{FaultContract, Traffic};
use model::event::{Evidence, Found};
use model::ids::{GroupIx, Micros};
use model::scenario::words::counted;
use model::verdict::FaultVerdict;

use crate::analysis::Analysis;
use crate::measure::{FaultRecord, TrafficMet};

/// What keeps a fault from having landed.
pub(super) fn why_not(fault: &FaultVerdict) -> String {
    let missing = fault.evidence.iter();
    let missing = missing.filter(|evidence| evidence.found == Found::No);
    if fault.injected_ms.is_none() {
        // The last is that traffic met it, which goes without saying.
        let told = missing.take(fault.evidence.len().saturating_sub(1));
        let mut told = told.map(|evidence| format!(": {}", evidence.detail));
        return format!("it was never in force{}", told.next().unwrap_or_default());
    }
    let missing: Vec<String> = missing
        .map(|evidence| format!("not found: {} ({})", evidence.observation, evidence.detail))
        .collect();
    if missing.is_empty() {
        "no evidence of it was looked for".to_owned()
    } else {
        missing.join(", ")
    }
}

/// A fault landed when it came into force, was seen independently,
/// nothing that was looked for was missing, and traffic met it. Whether what it
/// broke came back is what the claims are about, and no part of that.
pub(super) fn judge_fault(contract: &FaultContract, analysis: &Analysis) -> FaultVerdict {
    let none = FaultRecord::default();
    let record = analysis.faults.get(&contract.fault).unwrap_or(&none);
    let mut evidence = record.evidence.clone();
    evidence.push(traffic_met(&contract.meets, record, analysis));
    let landed = record.injected.is_some()
        && !record.evidence.is_empty()
        && evidence.iter().all(|seen| seen.found == Found::Yes);
    FaultVerdict {
        kind: contract.kind.clone(),
        landed,
        injected_ms: record.injected.map(Micros::as_millis),
        healed_ms: record.healed.map(Micros::as_millis),
        evidence,
        aftermath: record.aftermath.clone(),
    }
}

fn traffic_met(wanted: &Traffic, record: &FaultRecord, analysis: &Analysis) -> Evidence {
    let met = &record.met;
    let (found, detail) = match wanted {
        Traffic::Any => any_traffic(met),
        Traffic::Reads { group } => {
            let reads = group_named(analysis, group)
                .and_then(|ix| met.reads.get(&ix))
                .copied()
                .unwrap_or_default();
            (
                reads.waiting + reads.acknowledged + reads.processed > 0,
                format!(
                    "{} waiting for {group} when it came into force, {} acknowledged and {} \
                     processed while it lasted",
                    counted(reads.waiting, "record"),
                    reads.acknowledged,
                    reads.processed
                ),
            )
        }
        Traffic::Changes => (
            met.changes_waiting + met.changes_committed > 0,
            format!(
                "{} without an event when it came into force, {} committed while it lasted",
                counted(met.changes_waiting, "committed change"),
                met.changes_committed
            ),
        ),
    };
    Evidence {
        observation: "traffic met it".to_owned(),
        found: if found { Found::Yes } else { Found::No },
        detail,
    }
}

/// Whether anything went on while a fault lasted. What only waited to be read
/// does not count: there may have been no reader.
fn any_traffic(met: &TrafficMet) -> (bool, String) {
    let detail = format!(
        "{} outstanding when it came into force, {} attempted while it lasted",
        counted(met.sends_outstanding, "send"),
        met.sends_attempted
    );
    let processed = met.reads.values().map(|reads| reads.processed).sum::<u64>();
    let others = [
        (processed, "record", "processed while it lasted"),
        (met.commits, "position", "committed while it lasted"),
        (
            met.changes_waiting,
            "committed change",
            "without an event when it came into force",
        ),
        (met.changes_committed, "change", "committed while it lasted"),
    ];
    let sends = met.sends_outstanding + met.sends_attempted;
    let any = sends > 0 || others.iter().any(|(count, _, _)| *count > 0);
    let met = others.into_iter().filter(|(count, _, _)| *count > 0);
    let met = met.map(|(count, one, what)| format!("{} {what}", counted(count, one)));
    let all: Vec<String> = std::iter::once(detail).chain(met).collect();
    (any, all.join(", "))
}

fn group_named(analysis: &Analysis, name: &str) -> Option<GroupIx> {
    let mut groups = analysis.names.groups.iter();
    groups
        .find(|(_, group)| group.name == name)
        .map(|(ix, _)| *ix)
}
