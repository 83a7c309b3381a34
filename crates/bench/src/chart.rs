//! Drawings of curves as SVG, for the page. Knows nothing of what they are of.

use maud::{Markup, html};
use report::page::Scale;

const WIDTH: u64 = 960;
const HEIGHT: u64 = 240;
const LEFT: u64 = 90;
const RIGHT: u64 = 16;
const TOP: u64 = 12;
const BOTTOM: u64 = 40;
/// Marks on an axis, at most.
const TICKS: u64 = 8;

/// A curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// A class of the page's style sheet, which gives its colour.
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(u64, u64)>,
}

/// A drawing of curves over one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) id: String,
    pub(crate) title: String,
    /// What the axes show, with units.
    pub(crate) across: String,
    pub(crate) upwards: String,
    pub(crate) curves: Vec<Curve>,
    /// A value of the axis across that stands out.
    pub(crate) mark: Option<(u64, String)>,
}

impl Chart {
    /// Draws it; nothing where no curve has two points.
    pub(crate) fn draw(&self) -> Markup {
        let drawn = self.curves.iter().filter(|it| it.points.len() > 1);
        let drawn: Vec<&Curve> = drawn.collect();
        if drawn.is_empty() {
            return html! {};
        }
        let all = || drawn.iter().flat_map(|it| &it.points);
        let across = Scale {
            from: all().map(|it| it.0).min().unwrap_or(0),
            to: all().map(|it| it.0).max().unwrap_or(1),
            start: LEFT,
            len: WIDTH - LEFT - RIGHT,
        };
        let upwards = Scale {
            from: 0,
            to: all().map(|it| it.1).max().unwrap_or(1).max(1),
            start: TOP,
            len: HEIGHT - TOP - BOTTOM,
        };
        let bottom = HEIGHT - BOTTOM;
        html! {
            figure.chart {
                figcaption { (self.title) }
                div.scroll tabindex="0" role="group" aria-label=(self.title) {
                    svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(self.id) {
                        title id=(self.id) { (self.described()) }
                        @for value in upwards.ticks(TICKS / 2) {
                            @let y = upwards.above(value);
                            path.grid d=(format!("M{LEFT} {y}H{}", WIDTH - RIGHT)) {}
                            text.tick x=(LEFT - 8) y=(y + 4) text-anchor="end" {
                                (crate::words::number(value))
                            }
                        }
                        @for value in across.ticks(TICKS) {
                            text.tick x=(across.at(value)) y=(bottom + 16) text-anchor="middle" {
                                (crate::words::number(value))
                            }
                        }
                        @if let Some((value, words)) = &self.mark {
                            @let x = across.at(*value);
                            path.knee d=(format!("M{x} {TOP}V{bottom}")) {}
                            text.tick x=(x + 6) y=(TOP + 10) { (words) }
                        }
                        path.axis d=(format!("M{LEFT} {TOP}V{bottom}H{}", WIDTH - RIGHT)) {}
                        @for curve in &drawn {
                            path class=(format!("curve {}", curve.class)) d=(path(curve, across, upwards)) {}
                        }
                        text.tick x=(WIDTH - RIGHT) y=(HEIGHT - 6) text-anchor="end" { (self.across) }
                        text.tick x="4" y=(HEIGHT - 6) { (self.upwards) }
                    }
                }
                ul.legend {
                    @for curve in &drawn {
                        li class=(curve.class) { (curve.name) }
                    }
                }
            }
        }
    }

    /// For those who do not see it.
    fn described(&self) -> String {
        let curves = self.curves.iter().map(|curve| {
            let values = curve.points.iter().map(|it| it.1);
            format!(
                "{} from {} to {}",
                curve.name,
                crate::words::number(values.clone().min().unwrap_or(0)),
                crate::words::number(values.max().unwrap_or(0))
            )
        });
        let curves: Vec<String> = curves.collect();
        format!("{} ({}): {}", self.title, self.upwards, curves.join("; "))
    }
}

fn path(curve: &Curve, across: Scale, upwards: Scale) -> String {
    let points = curve.points.iter().zip(0u64..).map(|((x, y), at)| {
        let letter = if at == 0 { 'M' } else { 'L' };
        format!("{letter}{} {}", across.at(*x), upwards.above(*y))
    });
    points.collect()
}

/// What the charts add to the page's style sheet.
pub(crate) const STYLE: &str = ".chart figcaption{font-weight:600}.chart .grid{stroke:var(--line);fill:none}\
.chart .curve{fill:none;stroke:currentColor;stroke-width:2}.chart .knee{stroke:var(--violated);stroke-dasharray:4 4;fill:none}\
.chart .legend{list-style:none;display:flex;gap:1.5rem;padding:0;font-size:.9rem}.chart .legend li::before{content:\"— \"}\
.chart .latency{color:var(--latency)}.chart .processed{color:var(--processed)}.chart .acknowledged{color:var(--acknowledged)}\
.chart .sent{color:var(--sent)}.chart .lag{color:var(--lag)}.chart .in-flight{color:var(--in-flight)}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_within_its_axes_and_one_point_is_none() {
        let mut chart = Chart {
            id: "c".to_owned(),
            title: "Latency <by> second".to_owned(),
            across: "s".to_owned(),
            upwards: "ms".to_owned(),
            curves: vec![Curve {
                name: "p95".to_owned(),
                class: "latency",
                points: vec![(0, 0), (10, 100)],
            }],
            mark: Some((5, "the knee".to_owned())),
        };
        let drawn = chart.draw().into_string();
        assert!(drawn.contains("M90 200L944 12"), "{drawn}");
        assert!(drawn.contains("Latency &lt;by&gt; second") && drawn.contains("the knee"));
        chart.curves[0].points.pop();
        assert_eq!(chart.draw().into_string(), "");
    }
}
