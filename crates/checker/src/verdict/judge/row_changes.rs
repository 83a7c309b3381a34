//! Claims about captured rows, and what keeps them from being judged.

use model::claim::Claim;
use model::event::{CaptureResult, SettingEffect, Snapshot};
use model::verdict::PartFailure;

use crate::analysis::Analysis;
use crate::rows::coverage::CaptureCoverage;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive};

/// Doubts about the whole capture.
pub(super) fn doubts(capture: &CaptureCoverage) -> Vec<String> {
    let mut doubts = Vec::new();
    for (table, events) in &capture.unreadable {
        let why = listed(capture, SettingEffect::Reshape);
        doubts.push(format!(
            "{events} events of {table} have a form that ackproof does not read{why}"
        ));
    }
    let wanted = matches!(capture.snapshot, Some(Snapshot::First | Snapshot::Repeated));
    if wanted && capture.snapshot_rows == 0 && capture.changes_before == 0 {
        doubts.push(
            "the snapshot found no row, because there was none when the connector was created \
             (a [[write]] with start = \"before-capture\" makes some)"
                .to_owned(),
        );
    }
    doubts
}

/// `: a; b`, of the settings that may do this to events.
fn listed(capture: &CaptureCoverage, may: SettingEffect) -> String {
    let settings = capture.settings_that(may);
    if settings.is_empty() {
        return String::new();
    }
    format!(": {}", settings.join("; "))
}

/// Of how many the missing changes are, and what is known of the reason.
pub(super) fn among(analysis: &Analysis) -> String {
    let mut words = vec![format!(" of {} committed", analysis.counts.changes)];
    let Some(capture) = &analysis.coverage.capture else {
        return words.concat();
    };
    if !capture.silent.is_empty() {
        let tables = capture.silent.join(", ");
        words.push(format!(" (no event at all of {tables})"));
    }
    let drops = listed(capture, SettingEffect::Drop);
    if !drops.is_empty() {
        words.push(format!(" (events may be left out{drops})"));
    }
    if let Some(failure) = capture.failures.last() {
        words.push(format!(" ({})", failed(failure)));
    }
    words.concat()
}

/// `task 0 of connector pg FAILED: ...`.
fn failed(failure: &PartFailure) -> String {
    let why = failure.trace.last().or(failure.trace.first());
    let why = why.map_or(String::new(), |line| format!(": {line}"));
    format!("{} {}{why}", failure.part, failure.state)
}

pub(super) fn claim(claim: Claim, analysis: &Analysis) -> Ruling {
    let Some(capture) = &analysis.coverage.capture else {
        return inconclusive("nothing was captured");
    };
    let needs_the_end = matches!(claim, Claim::NoRowMissing | Claim::NoStateDivergence);
    if needs_the_end && let Some(table) = capture.cut.first() {
        return inconclusive(format!(
            "the topic of {table} has lost its beginning, and events with it"
        ));
    }
    if claim == Claim::NoRowMissing
        && let Some(table) = capture.compacted.first()
    {
        return inconclusive(format!(
            "the topic of {table} compacts: an event that is not there may have been replaced"
        ));
    }
    if needs_the_end && capture.unsettled > 0 {
        return unsettled(capture);
    }
    match claim {
        Claim::NoRowMissing if capture.settled == 0 => inconclusive("nothing was committed"),
        Claim::NoRowMissing => held(format!(
            "{} committed changes, all have their event",
            capture.settled
        )),
        Claim::CommitOrder if capture.ordered_pairs == 0 => inconclusive("no row has two events"),
        Claim::CommitOrder => held(format!(
            "{} events follow another of their row, all in order",
            capture.ordered_pairs
        )),
        Claim::NoStateDivergence => state(capture),
        _ if capture.events == 0 => inconclusive("there is no change event"),
        Claim::NoRowDuplicate => held(format!("{} events, each of another change", capture.events)),
        _ => held(format!(
            "{} events, each of a change that was committed",
            capture.events
        )),
    }
}

/// Of some changes it could not be told whether their events are missing.
fn unsettled(capture: &CaptureCoverage) -> Ruling {
    let moved = listed(capture, SettingEffect::Move);
    let why = if !moved.is_empty() {
        format!("they may stand in topics that ackproof does not read{moved}")
    } else if !capture.unreadable.is_empty() {
        format!(
            "they may be among those that ackproof does not read{}",
            listed(capture, SettingEffect::Reshape)
        )
    } else if capture.waited == Some(CaptureResult::CaughtUp) {
        "some stand in a transaction that is still open, or are events that do not tell a \
         snapshot from a change (add.fields=op)"
            .to_owned()
    } else {
        "the last change never came out of the topics: late cannot be told from missing".to_owned()
    };
    let failed = capture.failures.last().map(failed);
    let failed = failed.map_or(String::new(), |failed| format!(" ({failed})"));
    inconclusive(format!(
        "{} committed changes have no event, and {why}{failed}",
        capture.unsettled
    ))
}

fn state(capture: &CaptureCoverage) -> Ruling {
    let rekeyed = listed(capture, SettingEffect::Rekey);
    if !rekeyed.is_empty() {
        return inconclusive(format!(
            "events may have other keys than their rows, so that a replay by key says nothing of \
             rows{rekeyed}"
        ));
    }
    if capture.compared == 0 {
        return inconclusive("no table could be compared");
    }
    if capture.compared < capture.comparable {
        return inconclusive(format!(
            "only {} of {} rows could be compared: of the others events may still come",
            capture.compared, capture.comparable
        ));
    }
    held(format!(
        "{} rows, all as the topics replay them",
        capture.compared
    ))
}
