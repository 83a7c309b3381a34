//! The key figures of a scenario, in one line. A zero stands there only where
//! the verdict establishes it.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::Scenario;
use model::verdict::{CaptureMeasurements, Measurements};

use crate::document::{Text, code, text};
use crate::run::{Run, Tally, Test, Word};
use crate::units::{Spread, duration_ms, number};

/// The few figures that tell how a scenario went.
pub(crate) fn key_figures(test: &Test<'_>) -> Text {
    let parts = [counted(test), timed(test)];
    Text::join(parts.into_iter().filter(|part| !part.is_empty()), ", ")
}

/// What was counted: nearly the same in each run of a scenario.
pub(crate) fn counted(test: &Test<'_>) -> Text {
    let mut figures = Vec::new();
    let mut add = |spread: Spread, after: &str| {
        let figure = spread.show(number);
        figures.extend(figure.map(|figure| {
            let is_one = figure == "1" && !after.contains(" by ");
            let one = after.strip_suffix('s').filter(|_| is_one);
            text![format!("{figure}{}", one.unwrap_or(after))]
        }));
    };
    if test.scenario.is_some_and(|it| it.capture.is_some()) {
        add(test.counted(|outcome| outcome.counts.changes), " changes");
        add(
            test.counted(|outcome| outcome.counts.change_events),
            " events",
        );
        add(test.found(Anomaly::RowMissing), " missing");
        add(test.found(Anomaly::RowDuplicate), " duplicate events");
    } else if test.scenario.is_some_and(|it| !it.groups.is_empty()) {
        add(
            test.counted(|outcome| outcome.counts.acknowledged),
            " acknowledged",
        );
        let reading = test.scenario.map_or(0, |scenario| scenario.groups.len());
        let by = match reading {
            1 => String::from(" processed"),
            more => format!(" processed by {more} groups"),
        };
        add(test.spread(processed), &by);
        add(test.found(Anomaly::GroupGap), " skipped");
        add(test.found(Anomaly::Reprocessed), " reprocessed");
    } else {
        add(test.counted(|outcome| outcome.counts.sent), " sent");
        add(
            test.counted(|outcome| outcome.counts.acknowledged),
            " acknowledged",
        );
        for (name, spread) in [
            (" failed", test.counted(|outcome| outcome.counts.failed)),
            (" unknown", test.counted(|outcome| outcome.counts.unknown)),
        ] {
            if !spread.is_zero() {
                add(spread, name);
            }
        }
        add(test.found(Anomaly::LostWrite), " lost");
        add(test.found(Anomaly::Duplicate), " duplicates");
    }
    Text::join(figures, ", ")
}

/// What was timed: another in each run.
pub(crate) fn timed(test: &Test<'_>) -> Text {
    let is_capture = test.scenario.is_some_and(|it| it.capture.is_some());
    let has_groups = test.scenario.is_some_and(|it| !it.groups.is_empty());
    let figures: [(&str, Spread, &str); 2] = if is_capture {
        [
            ("next event after ", test.spread(first_event_ms), ""),
            ("caught up after ", test.spread(caught_up_ms), ""),
        ]
    } else if has_groups {
        [
            ("out for ", test.spread(outage_ms), ""),
            (
                "reading again ",
                test.spread(recovery_ms),
                " after its start",
            ),
        ]
    } else {
        [
            ("no ack for ", test.spread(|m| m.silent_longest_ms), ""),
            (
                "first ack ",
                test.spread(|m| m.healed_to_first_ack_ms),
                " after the heal",
            ),
        ]
    };
    let figures = figures.into_iter().filter_map(|(before, spread, after)| {
        let time = spread.show(duration_ms)?;
        Some(text![format!("{before}{time}{after}")])
    });
    Text::join(figures, ", ")
}

pub(crate) fn first_event_ms(of: &Measurements) -> Option<u64> {
    captured(of, |capture| capture.first_event_ms)
}

pub(crate) fn caught_up_ms(of: &Measurements) -> Option<u64> {
    captured(of, |capture| capture.caught_up_ms)
}

/// The slowest group's.
pub(crate) fn recovery_ms(of: &Measurements) -> Option<u64> {
    of.groups.iter().filter_map(|group| group.recovery_ms).max()
}

/// The longest of any group, as its users see it.
pub(crate) fn outage_ms(of: &Measurements) -> Option<u64> {
    of.groups.iter().filter_map(|group| group.outage_ms).max()
}

/// The largest lag of any group.
pub(super) fn lag_peak(of: &Measurements) -> Option<u64> {
    of.groups.iter().map(|group| group.lag_peak).max()
}

fn captured(
    of: &Measurements,
    figure: impl Fn(&CaptureMeasurements) -> Option<u64>,
) -> Option<u64> {
    of.capture.as_ref().and_then(figure)
}

/// Records processed by all groups together, where there are any.
fn processed(of: &Measurements) -> Option<u64> {
    let each = of.groups.iter().map(|group| group.processed);
    (!of.groups.is_empty()).then(|| each.sum())
}

/// Where an anomaly was found, where it is established that there is none,
/// and where nothing can be said: over all scenarios that fit.
pub(super) fn found_where(
    run: &Run<'_>,
    anomaly: Anomaly,
    fits: impl Fn(&Scenario) -> bool,
) -> Text {
    let mut found = Vec::new();
    let mut none = Vec::new();
    let mut open = Vec::new();
    for test in run.ran(fits) {
        let spread = test.found(anomaly);
        let name = text![code(test.name)];
        match spread.show(number) {
            Some(_) if spread.is_zero() => none.push(name),
            Some(count) if spread.max() > Some(0) => found.push(text![count, " in ", name]),
            _ => open.push(name),
        }
    }
    let parts = [
        (found, ""),
        (none, "none in "),
        (open, "not established in "),
    ]
    .into_iter()
    .filter(|(names, _)| !names.is_empty())
    .map(|(names, words)| text![words, Text::join(names, ", ")]);
    Text::join(parts, "; ")
}

/// The verdicts on one claim over all scenarios that fit, by name where they
/// are not HELD.
pub(super) fn held_where(run: &Run<'_>, claim: Claim, fits: impl Fn(&Scenario) -> bool) -> Text {
    let mut held = Vec::new();
    let mut others = Vec::new();
    for test in run.ran(fits) {
        let tally = test.claim_tally(claim);
        if tally.is_held() {
            held.extend(test.guarantees(claim).iter().map(|(_, one)| Word::of(one)));
        } else if tally.total() > 0 {
            others.push(text![format!("{tally} in "), code(test.name)]);
        }
    }
    let held: Tally = held.into_iter().collect();
    let held = (held.total() > 0).then(|| text![held.list()]);
    let parts = Text::join(held.into_iter().chain(others), "; ");
    if parts.is_empty() {
        text![code(claim), ": not claimed"]
    } else {
        text![code(claim), ": ", parts]
    }
}
