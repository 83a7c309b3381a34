//! The timeline of a scenario: what was sent, acknowledged, stored and processed, each fault
//! as a band, and the recovery, on one axis.

use std::fmt::Write as _;

use maud::{Markup, html};
use model::course::{Course, Quantity, Series};
use model::verdict::ScenarioVerdict;

use super::chart::{Path, Scale};
use super::latency;
use crate::units::{duration_ms, separated};

const WIDTH: u64 = 960;
const LEFT: u64 = 64;
const RIGHT: u64 = 16;
const TOP: u64 = 26;
const FLOWS: u64 = 150;
const STATES: u64 = 80;
const GAP: u64 = 30;
const AXIS: u64 = 40;

/// The drawing; nothing where there is neither a course nor a fault with its time.
pub(super) fn figure(outcome: &ScenarioVerdict, course: Option<&Course>) -> Markup {
    let none = Course::default();
    let course = course.unwrap_or(&none);
    let Some((from, to)) = span(outcome, course) else {
        return html! {};
    };
    let time = Scale {
        from,
        to,
        start: LEFT,
        len: WIDTH - LEFT - RIGHT,
    };
    let (states, flows): (Vec<&Series>, Vec<&Series>) = course
        .series
        .iter()
        .partition(|series| series.of.is_state());
    let mut bottom = TOP;
    let mut panels = Vec::new();
    for (series, height, unit) in [
        (&flows, FLOWS, "records per second"),
        (&states, STATES, "records"),
    ] {
        if !series.is_empty() {
            if !panels.is_empty() {
                bottom += GAP;
            }
            panels.push(panel(
                series,
                course.interval_ms,
                time,
                (bottom, height),
                unit,
            ));
            bottom += height;
        }
    }
    let latencies = latency::panels(outcome, course, (from, to));
    for latencies in &latencies {
        if !panels.is_empty() {
            bottom += GAP;
        }
        panels.push(latencies.drawn(time, (bottom, STATES), grid));
        bottom += STATES;
    }
    if panels.is_empty() {
        bottom += GAP;
    }
    let height = bottom + AXIS;
    html! {
        figure.timeline {
            div.scroll tabindex="0" role="group" aria-label="Timeline" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                    aria-label=(described(outcome, course, &latencies, (from, to))) {
                    (bands(outcome, time, bottom))
                    @for panel in &panels { (panel) }
                    (axis(time, bottom))
                    (recovery(outcome, time, bottom))
                }
            }
            figcaption {
                ul.legend {
                    @for (at, series) in course.series.iter().enumerate() {
                        li {
                            (key(&colour_of(series, nth(&course.series, at))))
                            (named(series))
                        }
                    }
                    @for curve in latencies.iter().flat_map(|it| &it.curves) {
                        li { (key(&curve.colour)) (curve.name) }
                    }
                    @if outcome.faults.iter().any(|fault| fault.injected_ms.is_some()) {
                        li { span.band-key {} "fault in force, by number" }
                    }
                    @if first_ack_ms(outcome).is_some() {
                        li { span.recovery-key {} "first acknowledgement after the last fault" }
                    }
                }
                @if !course.series.is_empty() {
                    p.note {
                        "Intervals of " (course.interval_ms) " ms; time since the scenario began. "
                        @if course.series.iter().any(|series| series.of == Quantity::Lag) {
                            "Lag: acknowledged or readable offsets that the group has not come to, from \
                             its first record of a partition on. "
                        }
                        @for group in without_lag(outcome, course) {
                            "No lag of " (group) ": it processed nothing. "
                        }
                        @if !course.latencies.is_empty() {
                            "Latency: by the interval of sending; a gap has no records."
                        }
                    }
                } @else {
                    p.note { "No curves: they are drawn from the recorded history." }
                }
            }
        }
    }
}

/// Groups whose lag has no curve.
fn without_lag<'a>(
    outcome: &'a ScenarioVerdict,
    course: &'a Course,
) -> impl Iterator<Item = &'a str> {
    let groups = outcome.measurements.groups.iter();
    let groups = groups.map(|it| it.group.as_str());
    groups.filter(|group| {
        let mut lags = course.series.iter().filter(|it| it.of == Quantity::Lag);
        !lags.any(|it| it.group.as_deref() == Some(group))
    })
}

/// From the first to the last thing that is drawn, in milliseconds.
fn span(outcome: &ScenarioVerdict, course: &Course) -> Option<(u64, u64)> {
    let interval = course.interval_ms;
    let drawn = course.series.iter().flat_map(|series| {
        let first = series.values.iter().position(|value| *value > 0);
        let last = series.values.iter().rposition(|value| *value > 0);
        let first = first.and_then(|at| u64::try_from(at).ok());
        let last = last.and_then(|at| u64::try_from(at + 1).ok());
        [first, last].into_iter().flatten().map(|at| at * interval)
    });
    let faults = outcome.faults.iter();
    let faults = faults.flat_map(|fault| [fault.injected_ms, fault.healed_ms]);
    let moments = drawn.chain(faults.flatten()).chain(first_ack_ms(outcome));
    let moments: Vec<u64> = moments.collect();
    let (from, to) = (moments.iter().min()?, moments.iter().max()?);
    Some((*from, (*to).max(from + 1)))
}

/// A curve in the legend.
fn key(class: &str) -> Markup {
    html! { i class={ "key " (class) } {} }
}

/// The marks of an axis of values: their places and words.
fn grid(marks: &[(u64, String)]) -> Markup {
    let lines = marks
        .iter()
        .map(|(y, _)| format!("M{LEFT} {y}h{}", WIDTH - RIGHT - LEFT));
    let lines: String = lines.collect();
    html! {
        path.grid d=(lines) {}
        g.ticks text-anchor="end" {
            @for (y, words) in marks { text x=(LEFT - 6) y=(y + 4) { (words) } }
        }
    }
}

/// Some series over one another, with the axis of their values.
fn panel(
    series: &[&Series],
    interval_ms: u64,
    time: Scale,
    (top, height): (u64, u64),
    unit: &str,
) -> Markup {
    let of = |series: &Series, value: u64| {
        if series.of.is_state() {
            value
        } else {
            value.saturating_mul(1000) / interval_ms.max(1)
        }
    };
    let all = series.iter().copied();
    let most = all
        .clone()
        .flat_map(|series| series.values.iter().map(move |value| of(series, *value)))
        .max()
        .unwrap_or(0);
    let values = Scale {
        from: 0,
        to: most.max(1),
        start: top,
        len: height,
    };
    let shown: Vec<Series> = all.clone().cloned().collect();
    let ticks = values.ticks(4).into_iter();
    let ticks: Vec<(u64, String)> = ticks
        .map(|tick| (values.above(tick), separated(tick)))
        .collect();
    html! {
        (grid(&ticks))
        text.unit x=(LEFT) y=(top - 6) { (unit) }
        @for (at, one) in all.enumerate() {
            path class={ "line " (colour_of(one, nth(&shown, at))) }
                d=(line(one, interval_ms, time, |value| values.above(of(one, value)))) {}
        }
    }
}

/// A line in steps: the value of an interval holds from its beginning to its end.
fn line(series: &Series, interval_ms: u64, time: Scale, place: impl Fn(u64) -> u64) -> String {
    let mut path = Path::default();
    let mut last = None;
    let first = usize::try_from(time.from / interval_ms.max(1)).unwrap_or(0);
    let values = series.values.iter().zip(0u64..).skip(first);
    for (value, at) in values {
        let begins_ms = at * interval_ms;
        if begins_ms >= time.to {
            break;
        }
        let (x, y) = (time.at(begins_ms), place(*value));
        match last {
            None => path.begin(x, y),
            Some(before) if before == y => {}
            Some(_) => path.step(x, y),
        }
        last = Some(y);
    }
    let ends_ms = (series.values.len() as u64).saturating_mul(interval_ms);
    path.end(time.at(ends_ms))
}

/// The faults, by number, and what failed by itself.
fn bands(outcome: &ScenarioVerdict, time: Scale, bottom: u64) -> Markup {
    let faults = outcome.faults.iter().zip(1u64..);
    let faults = faults.filter_map(|(fault, number)| {
        let from = time.at(fault.injected_ms?);
        let to = time.at(fault.healed_ms.unwrap_or(time.to));
        Some((number, fault, from, to.saturating_sub(from).max(2)))
    });
    html! {
        @for (number, fault, from, width) in faults {
            g {
                title { (number) ": " (fault.kind) }
                rect.band x=(from) y=(TOP) width=(width) height=(bottom - TOP) {}
                text.band-number x=(from + 2) y=(TOP - 6) { (number) }
            }
        }
        @for failure in &outcome.failures {
            g {
                title { (failure.part) ": " (failure.state) }
                path.failure d=(format!("M{} {TOP}V{bottom}", time.at(failure.at_ms))) {}
            }
        }
    }
}

fn axis(time: Scale, bottom: u64) -> Markup {
    let ticks = time.ticks(10);
    let is_whole = ticks.iter().all(|tick| tick.is_multiple_of(1000));
    let shown = |ms: u64| {
        if is_whole {
            format!("{} s", ms / 1000)
        } else {
            format!("{}.{} s", ms / 1000, ms % 1000 / 100)
        }
    };
    let marks = ticks
        .iter()
        .map(|tick| format!("M{} {bottom}v5", time.at(*tick)));
    let marks: String = marks.collect();
    html! {
        path.axis d=(format!("M{LEFT} {bottom}H{}{marks}", WIDTH - RIGHT)) {}
        g.ticks text-anchor="middle" {
            @for tick in ticks { text x=(time.at(tick)) y=(bottom + 19) { (shown(tick)) } }
        }
        text.unit x=(WIDTH - RIGHT) y=(bottom + 34) text-anchor="end" {
            "seconds since the scenario began"
        }
    }
}

/// When the first acknowledgement came after the last fault.
fn first_ack_ms(outcome: &ScenarioVerdict) -> Option<u64> {
    let healed = outcome.faults.iter().filter_map(|fault| fault.healed_ms);
    healed
        .max()?
        .checked_add(outcome.measurements.healed_to_first_ack_ms?)
}

fn recovery(outcome: &ScenarioVerdict, time: Scale, bottom: u64) -> Markup {
    let at = first_ack_ms(outcome).map(|at| time.at(at));
    html! { @if let Some(x) = at { path.recovery d=(format!("M{x} {TOP}V{bottom}")) {} } }
}

/// The drawing in words.
fn described(
    outcome: &ScenarioVerdict,
    course: &Course,
    latencies: &[latency::Panel],
    (from, to): (u64, u64),
) -> String {
    let mut words = format!(
        "Timeline from {} to {}.",
        duration_ms(from),
        duration_ms(to)
    );
    for one in &course.series {
        let name = named(one);
        let _ = if one.of.is_state() {
            let most = one.values.iter().max().copied().unwrap_or(0);
            write!(words, " {name}: at most {}.", separated(most))
        } else {
            let all = one.values.iter().sum();
            write!(words, " {name}: {}.", separated(all))
        };
    }
    for latencies in latencies {
        latencies.described(&mut words);
    }
    for (fault, number) in outcome.faults.iter().zip(1..) {
        let at = fault.injected_ms.map(duration_ms);
        let until = fault.healed_ms.map(duration_ms);
        let _ = write!(
            words,
            " Fault {number}, {}: from {} to {}.",
            fault.kind,
            at.as_deref().unwrap_or("never"),
            until.as_deref().unwrap_or("the end"),
        );
    }
    words
}

fn named(series: &Series) -> String {
    let of = match series.of {
        Quantity::Sent => "sent",
        Quantity::Acknowledged => "acknowledged",
        Quantity::NotAcknowledged => "failed, or of unknown outcome",
        Quantity::Commits => "transactions committed in the database",
        Quantity::Stored => "stored (readable in the change topics)",
        Quantity::Processed => "processed",
        Quantity::InFlight => "in flight (sent, without an outcome)",
        Quantity::Lag => "lag",
    };
    match (&series.group, series.of) {
        (Some(group), Quantity::Lag) => format!("lag of {group}"),
        (Some(group), _) => format!("{of} by {group}"),
        (None, _) => of.to_owned(),
    }
}

/// How many series of the same quantity come before one.
fn nth(all: &[Series], at: usize) -> usize {
    let of = all.get(at).map(|series| series.of);
    let before = all.iter().take(at);
    before.filter(|series| Some(series.of) == of).count()
}

/// Colour by quantity, and a pattern of dashes by number.
fn colour_of(series: &Series, nth: usize) -> String {
    let of = match series.of {
        Quantity::Sent => "sent",
        Quantity::Acknowledged => "acknowledged",
        Quantity::NotAcknowledged => "not-acknowledged",
        Quantity::Commits => "commits",
        Quantity::Stored => "stored",
        Quantity::Processed => "processed",
        Quantity::InFlight => "in-flight",
        Quantity::Lag => "lag",
    };
    format!("{of} n{}", nth.min(3))
}
