//! A strip of offsets for each partition in which something is wrong.

use maud::{Markup, html};
use model::course::{Mark, MarkKind, Strip};
use model::scenario::words::counted;

use super::chart::Scale;
use crate::units::separated;

/// Partitions that are drawn, at most.
const STRIPS_MAX: usize = 12;

const WIDTH: u64 = 960;
const LEFT: u64 = 190;
const RIGHT: u64 = 16;
const BAR: u64 = 12;
const ROW: u64 = 20;

pub(super) fn figures(strips: &[Strip]) -> Markup {
    html! {
        @if !strips.is_empty() {
            h3 { "Where in the log" }
            @for strip in strips.iter().take(STRIPS_MAX) { (figure(strip)) }
            @if strips.len() > STRIPS_MAX {
                p.note { "Not drawn: " (counted((strips.len() - STRIPS_MAX) as u64, "partition")) "." }
            }
            p.note {
                "Lost records are drawn where they were acknowledged, others where they stand."
            }
        }
    }
}

fn figure(strip: &Strip) -> Markup {
    let ranges = strip.marks.iter().flat_map(|mark| &mark.ranges);
    let last = ranges.clone().map(|(_, last)| last.saturating_add(1));
    let last = last.chain([strip.end]).max().unwrap_or(0);
    let first = ranges.map(|(first, _)| *first).chain([strip.log_start]);
    let first = first.min().unwrap_or(0);
    let offset = |offset: i64| u64::try_from(offset.saturating_sub(first)).unwrap_or(0);
    let scale = Scale {
        from: 0,
        to: offset(last).max(1),
        start: LEFT,
        len: WIDTH - LEFT - RIGHT,
    };
    let rows = strip.marks.len() as u64 + 1;
    let height = ROW * rows + 26;
    let bar = |from: i64, to: i64| {
        let (from, to) = (scale.at(offset(from)), scale.at(offset(to)));
        (from, to.saturating_sub(from).max(2))
    };
    let stored = bar(strip.log_start, strip.end);
    html! {
        figure.strip {
            div.scroll tabindex="0" role="group" aria-label="Offsets of a partition" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                    aria-label=(described(strip)) {
                    text.lane-name x=(LEFT - 12) y="14" { (strip.partition) }
                    @if strip.end > strip.log_start {
                        rect.stored x=(stored.0) y="4" width=(stored.1) height=(BAR) {}
                    }
                    @for (mark, row) in strip.marks.iter().zip(1u64..) {
                        text.tick x=(LEFT - 12) y=(ROW * row + 14) text-anchor="end" {
                            (named(mark.of))
                        }
                        @for (first, last) in &mark.ranges {
                            @let (x, width) = bar(*first, last.saturating_add(1));
                            rect class=(class_of(mark.of)) x=(x) y=(ROW * row + 4)
                                width=(width) height=(BAR) {}
                        }
                    }
                    path.axis d=(format!("M{LEFT} {}H{}", height - 20, WIDTH - RIGHT)) {}
                    text.tick x=(LEFT) y=(height - 6) { "offset " (shown(first)) }
                    text.tick x=(WIDTH - RIGHT) y=(height - 6) text-anchor="end" { (shown(last)) }
                }
            }
        }
    }
}

fn shown(offset: i64) -> String {
    separated(u64::try_from(offset).unwrap_or(0))
}

fn named(of: MarkKind) -> String {
    match of {
        MarkKind::Anomaly(anomaly) => anomaly.name().to_owned(),
        MarkKind::Reused => String::from("offset used again"),
    }
}

const fn class_of(of: MarkKind) -> &'static str {
    match of {
        MarkKind::Anomaly(_) => "mark",
        MarkKind::Reused => "mark reused",
    }
}

fn described(strip: &Strip) -> String {
    let marks = strip.marks.iter().map(|mark| {
        let count: u64 = mark.ranges.iter().map(|range| length(*range)).sum();
        format!(
            "{} at {}{}",
            named(mark.of),
            offsets(mark),
            more(mark, count)
        )
    });
    let marks: Vec<String> = marks.collect();
    format!(
        "{}, stored from offset {} to {}: {}",
        strip.partition,
        strip.log_start,
        strip.end.saturating_sub(1),
        marks.join("; ")
    )
}

fn length((first, last): (i64, i64)) -> u64 {
    u64::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0)
}

fn offsets(mark: &Mark) -> String {
    const NAMED_MAX: usize = 4;
    let ranges = mark.ranges.iter().take(NAMED_MAX).map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first} to {last}")
        }
    });
    let mut ranges: Vec<String> = ranges.collect();
    if mark.ranges.len() > NAMED_MAX {
        ranges.push(String::from("…"));
    }
    ranges.join(", ")
}

fn more(mark: &Mark, count: u64) -> String {
    let and = if mark.is_complete { "" } else { " and more" };
    format!(" ({}{and})", separated(count))
}
