//! The ruling on how long a recovery took.

use crate::analysis::Analysis;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive, violated};

pub(super) fn recovers(limit_ms: Option<u64>, analysis: &Analysis) -> Ruling {
    let Some(limit_ms) = limit_ms else {
        return inconclusive("the claim names no limit");
    };
    if let Some(why) = analysis.faults.values().find_map(|it| it.lost.as_ref()) {
        return violated(format!("it never came back: {why}"));
    }
    let groups = analysis.measurements.groups.iter();
    let mut measured: Vec<(String, u64)> = groups
        .filter_map(|group| Some((group.group.clone(), group.recovery_ms?)))
        .collect();
    let capture = analysis.measurements.capture.as_ref();
    if let Some(first_ms) = capture.and_then(|capture| capture.first_event_ms) {
        measured.push(("the capture".to_owned(), first_ms));
    }
    let Some((who, took_ms)) = measured.into_iter().max_by_key(|(_, took_ms)| *took_ms) else {
        return inconclusive("nothing came back after a restart, or nothing was restarted");
    };
    let what = format!("{who} was back after {took_ms} ms, {limit_ms} ms allowed");
    if took_ms > limit_ms {
        violated(what)
    } else {
        held(what)
    }
}
