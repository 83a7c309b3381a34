//! The latencies of a timeline: a panel for sending to acknowledgement, and one from end to
//! end, each by interval; by phase where no history tells the intervals. The axis grows by
//! factors of ten, because an outage makes of a millisecond seconds.

use std::fmt::Write as _;

use maud::{Markup, html};
use model::course::{Course, IntervalLatency, LatencySeries, Span};
use model::verdict::{Latency, ScenarioVerdict};

use super::chart::{Path, Scale};
use crate::units::{duration_ms, duration_us};

/// Below a hundredth of a millisecond nothing is told apart.
const LEAST_US: u64 = 10;

/// Two curves at most for each of so many groups; of more only the 99th percentile.
const BOTH_MAX: usize = 2;

/// A stretch of time, in milliseconds, and its latency, in microseconds.
type Step = (u64, u64, u64);

/// A curve with its words in the legend.
pub(super) struct Curve {
    pub(super) colour: String,
    pub(super) name: String,
    steps: Vec<Step>,
}

/// Curves over one axis.
pub(super) struct Panel {
    unit: &'static str,
    pub(super) curves: Vec<Curve>,
}

/// What is drawn of a percentile.
type Figure<T> = (&'static str, fn(&T) -> u64);

const BY_INTERVAL: [Figure<IntervalLatency>; 2] = [
    ("99th percentile", |it| it.p99_us),
    ("median", |it| it.p50_us),
];
const BY_PHASE: [Figure<Latency>; 2] = [
    ("99th percentile", |it| it.p99_us),
    ("median", |it| it.p50_us),
];

const ACKNOWLEDGEMENT: &str = "latency from sending to acknowledgement";

/// The panels that there are values for, between these moments.
pub(super) fn panels(
    outcome: &ScenarioVerdict,
    course: &Course,
    (from, to): (u64, u64),
) -> Vec<Panel> {
    let series = course.latencies.iter();
    let (acknowledged, processed): (Vec<_>, Vec<_>) =
        series.partition(|it| it.of == Span::SentToAcknowledged);
    let mut panels = Vec::new();
    if acknowledged.is_empty() {
        panels.extend(by_phase(outcome, from, to));
    } else {
        let unit = "latency to acknowledgement, ms";
        panels.push(by_interval(unit, &acknowledged, course.interval_ms));
    }
    if !processed.is_empty() {
        let unit = "latency from end to end, ms";
        panels.push(by_interval(unit, &processed, course.interval_ms));
    }
    panels
}

fn by_interval(unit: &'static str, series: &[&LatencySeries], interval_ms: u64) -> Panel {
    let count = if series.len() > BOTH_MAX {
        1
    } else {
        BY_INTERVAL.len()
    };
    let curves = series.iter().enumerate().flat_map(|(group, one)| {
        let figures = BY_INTERVAL.iter().take(count).enumerate();
        figures.map(move |(at, (percentile, figure))| {
            let values = one.values.iter().zip(0u64..);
            let steps = values.filter_map(|(value, number)| {
                let from = number * interval_ms;
                Some((from, from + interval_ms, figure(value.as_ref()?)))
            });
            Curve {
                colour: colour_of(one.of, group * count + at),
                name: format!("{}: {percentile}", named(one)),
                steps: steps.collect(),
            }
        })
    });
    Panel {
        unit,
        curves: curves.collect(),
    }
}

/// Before, during and after the faults, as far as anything was acknowledged.
fn by_phase(outcome: &ScenarioVerdict, from: u64, to: u64) -> Option<Panel> {
    let faults = || outcome.faults.iter();
    let injected = faults().filter_map(|fault| fault.injected_ms).min();
    let healed = faults().filter_map(|fault| fault.healed_ms).max();
    let injected = injected.unwrap_or(to);
    let healed = healed.unwrap_or(to).max(injected);
    let m = &outcome.measurements;
    let phases = [
        (from, injected, m.latency_before),
        (injected, healed, m.latency_during),
        (healed, to, m.latency_after),
    ];
    let known = phases.into_iter().filter(|(from, to, _)| from < to);
    let known = known.filter_map(|(from, to, latency)| Some((from, to, latency?)));
    let known: Vec<(u64, u64, Latency)> = known.collect();
    let curves = BY_PHASE
        .iter()
        .enumerate()
        .map(|(at, (percentile, figure))| {
            let steps = known.iter();
            let steps = steps.map(|(from, to, latency)| (*from, *to, figure(latency)));
            Curve {
                colour: colour_of(Span::SentToAcknowledged, at),
                name: format!(
                    "{ACKNOWLEDGEMENT} before, during and after the faults: {percentile}"
                ),
                steps: steps.collect(),
            }
        });
    (!known.is_empty()).then(|| Panel {
        unit: "latency to acknowledgement, ms",
        curves: curves.collect(),
    })
}

fn named(series: &LatencySeries) -> String {
    let group = series.group.as_deref().unwrap_or_default();
    match series.of {
        Span::SentToAcknowledged => ACKNOWLEDGEMENT.to_owned(),
        Span::SentToProcessed => format!("latency from sending to processing by {group}"),
        Span::CommittedToProcessed => {
            format!("latency from the commit in the database to processing by {group}")
        }
    }
}

fn colour_of(of: Span, nth: usize) -> String {
    let colour = match of {
        Span::SentToAcknowledged => "latency",
        Span::SentToProcessed | Span::CommittedToProcessed => "processed",
    };
    format!("{colour} n{}", nth.min(3))
}

impl Panel {
    /// The drawing from `top` on, as high as `height`.
    pub(super) fn drawn(
        &self,
        time: Scale,
        (top, height): (u64, u64),
        grid: impl Fn(&[(u64, String)]) -> Markup,
    ) -> Markup {
        let values = self.values(top, height);
        let ticks = decades(values.from, values.to);
        let ticks: Vec<(u64, String)> = ticks
            .map(|us| (values.above(log2(us)), in_ms(us)))
            .collect();
        html! {
            (grid(&ticks))
            text.unit x=(time.start) y=(top - 6) { (self.unit) " (each line ten times the last)" }
            @for curve in &self.curves {
                path class={ "line " (curve.colour) } d=(curve.path(time, values)) {}
            }
        }
    }

    /// The axis, from a power of ten to another.
    fn values(&self, top: u64, height: u64) -> Scale {
        let all = || self.curves.iter().flat_map(|curve| &curve.steps);
        let least = all().map(|(.., us)| *us).min().unwrap_or(LEAST_US);
        let most = all().map(|(.., us)| *us).max().unwrap_or(LEAST_US);
        let mut from = LEAST_US;
        while from.saturating_mul(10) <= least {
            from *= 10;
        }
        let mut to = from * 10;
        while to < most {
            to = to.saturating_mul(10);
        }
        Scale {
            from: log2(from),
            to: log2(to),
            start: top,
            len: height,
        }
    }

    /// The curves in words.
    pub(super) fn described(&self, words: &mut String) {
        for curve in &self.curves {
            let least = curve.steps.iter().map(|(.., us)| *us).min();
            let most = curve.steps.iter().max_by_key(|(.., us)| *us);
            if let (Some(least), Some((at, _, most))) = (least, most) {
                let _ = write!(
                    words,
                    " {}: from {} to {}, the most at {}.",
                    curve.name,
                    duration_us(least),
                    duration_us(*most),
                    duration_ms(*at)
                );
            }
        }
    }
}

impl Curve {
    /// Steps, with a gap where nothing was measured.
    fn path(&self, time: Scale, values: Scale) -> String {
        let mut path = Path::default();
        let mut last: Option<(u64, u64)> = None;
        for (from, to, us) in &self.steps {
            let y = values.above(log2((*us).max(LEAST_US)));
            match last {
                Some((until, before)) if until == *from && before == y => {}
                Some((until, _)) if until == *from => path.step(time.at(*from), y),
                Some((until, _)) => {
                    path.to(time.at(until));
                    path.begin(time.at(*from), y);
                }
                None => path.begin(time.at(*from), y),
            }
            last = Some((*to, y));
        }
        last.map_or_else(String::new, |(until, _)| path.end(time.at(until)))
    }
}

/// Powers of ten between two logarithms.
fn decades(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let all = std::iter::successors(Some(LEAST_US), |us| us.checked_mul(10));
    all.skip_while(move |us| log2(*us) < from)
        .take_while(move |us| log2(*us) <= to)
}

/// `0.1`, `10`, `1,000`.
fn in_ms(us: u64) -> String {
    if us >= 1000 {
        crate::units::separated(us / 1000)
    } else {
        let thousandths = format!("0.{us:03}");
        thousandths.trim_end_matches('0').to_owned()
    }
}

/// The logarithm to base 2, in thousandths, along straight lines between the powers of 2: a
/// drawing shows no difference.
fn log2(value: u64) -> u64 {
    let value = value.max(1);
    let whole = value.ilog2();
    let part = (u128::from(value) * 1000) >> whole;
    u64::from(whole) * 1000 + u64::try_from(part).unwrap_or(1000) - 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_grow_with_their_values_and_are_nearly_even() {
        let tens: Vec<u64> = decades(0, log2(10_000_000)).collect();
        assert_eq!(tens.first(), Some(&LEAST_US));
        assert_eq!(tens.last(), Some(&10_000_000));
        for pair in tens.windows(2) {
            let step = log2(pair[1]) - log2(pair[0]);
            assert!(step.abs_diff(3_322) < 130, "{pair:?}: {step}");
        }
        assert!((1..5_000).all(|us| log2(us) <= log2(us + 1)));
        assert_eq!((log2(0), log2(1), log2(3)), (0, 0, 1_500));
        assert_eq!(log2(u64::MAX) / 1000, 63);
    }

    #[test]
    fn milliseconds_are_marked_as_people_write_them() {
        let marks = [10, 100, 1_000, 10_000, 10_000_000].map(in_ms);
        assert_eq!(marks, ["0.01", "0.1", "1", "10", "10,000"]);
    }

    #[test]
    fn a_curve_has_a_gap_where_nothing_was_measured() {
        let time = Scale {
            from: 0,
            to: 1000,
            start: 0,
            len: 1000,
        };
        let curve = Curve {
            colour: String::new(),
            name: String::new(),
            steps: vec![
                (0, 100, 1_000),
                (100, 200, 1_000),
                (200, 300, 10_000),
                (500, 600, 1_000),
            ],
        };
        let panel = Panel {
            unit: "",
            curves: vec![curve],
        };
        let values = panel.values(0, 100);
        assert_eq!((values.from, values.to), (log2(1_000), log2(10_000)));
        let path = panel.curves[0].path(time, values);
        assert_eq!(path, "M0 100h200v-100h100M500 100h100");
    }
}
