//! A report of lag as a table for people. Knows nothing of how the numbers came about.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use lag::words::{clock, grouped};
use lag::{GroupLag, Known, LagReport, LimitOutcome, PartitionLag, PartitionState, Until};
use model::scenario::words::counted;

use crate::style::{FAINT, HELD, INCONCLUSIVE, STRONG, VIOLATED};

/// More reasons than these are only counted: the JSON has all.
const REASONS_MAX: usize = 12;

/// With a line for each partition, or only for each group.
pub(super) fn text(report: &LagReport, with_partitions: bool) -> String {
    let mut out = String::new();
    let mut reasons = Reasons::default();
    if with_partitions {
        for group in &report.groups {
            let _ = writeln!(out, "{}", heading(group));
            let rows = group
                .partitions
                .iter()
                .map(|it| partition(it, &mut reasons));
            let mut rows: Vec<_> = rows.collect();
            let total = total(group, &mut reasons);
            if !rows.is_empty() {
                rows.push(total);
                table(&mut out, &PARTITION_HEADS, &rows);
            }
        }
    } else {
        let rows: Vec<_> = report
            .groups
            .iter()
            .map(|it| row(it, &mut reasons))
            .collect();
        table(&mut out, &GROUP_HEADS, &rows);
    }
    for line in &report.incomplete {
        let _ = writeln!(out, "{INCONCLUSIVE}incomplete{INCONCLUSIVE:#}: {line}");
    }
    reasons.write(&mut out);
    let judged = report.groups.iter();
    for (group, check) in judged.flat_map(|it| it.checks.iter().map(move |check| (it, check))) {
        let (style, word) = match check.outcome {
            LimitOutcome::Held => continue,
            LimitOutcome::Unknown => (INCONCLUSIVE, "unknown"),
            LimitOutcome::Broken => (VIOLATED, "broken"),
        };
        let _ = writeln!(
            out,
            "{style}{word}{style:#}: {} {}: group {}: {}",
            check.threshold,
            check.limit_in_words(),
            group.group,
            check.reason
        );
    }
    let _ = writeln!(out, "{}", last_line(report));
    out
}

fn last_line(report: &LagReport) -> String {
    let groups = u64::try_from(report.groups.len()).unwrap_or(u64::MAX);
    let requests = report.requests.values().sum();
    let mut parts = vec![counted(groups, "group")];
    if !report.skipped.is_empty() {
        let skipped = u64::try_from(report.skipped.len()).unwrap_or(u64::MAX);
        parts.push(format!(
            "{} without positions left out",
            counted(skipped, "group")
        ));
    }
    if report.window_ms > 0 {
        let window = float(report.window_ms) / 1000.0;
        parts.push(format!("rates over {window:.1} s"));
    }
    let brokers = counted(report.brokers, "broker");
    parts.push(format!("{} to {brokers}", counted(requests, "request")));
    let outcome = match report.outcome {
        None => return parts.join(" · "),
        Some(LimitOutcome::Held) => format!("{HELD}every threshold is kept{HELD:#}"),
        Some(LimitOutcome::Unknown) => {
            format!("{INCONCLUSIVE}a threshold cannot be decided{INCONCLUSIVE:#}")
        }
        Some(LimitOutcome::Broken) => format!("{VIOLATED}a threshold is broken{VIOLATED:#}"),
    };
    parts.push(outcome);
    parts.join(" · ")
}

fn heading(group: &GroupLag) -> String {
    let mut words = Vec::new();
    words.extend(group.group_type.clone());
    words.extend(group.state.as_ref().ok().cloned());
    words.extend(group.members.as_ref().ok().map(|it| counted(*it, "member")));
    words.push(format!("consumer {}", group.consumer.name()));
    format!("{STRONG}{}{STRONG:#}  {}", group.group, words.join(", "))
}

struct Cell {
    text: String,
    style: Style,
}

fn cell(text: impl Into<String>) -> Cell {
    let text = text.into();
    let style = Style::new();
    Cell { text, style }
}

const PARTITION_HEADS: [&str; 11] = [
    "partition",
    "position",
    "end",
    "behind",
    "lost",
    "age h:m:s",
    "produced/s",
    "consumed/s",
    "caught up h:m:s",
    "deleted h:m:s",
    "state",
];

fn partition(of: &PartitionLag, reasons: &mut Reasons) -> [Cell; 11] {
    let name = of.partition.to_string();
    let mut of_name = |known: Result<String, &lag::Reason>| reasons.cell(&name, known);
    let position = of.position.as_ref().map(|it| match it {
        Some(offset) => signed(offset.get()),
        None => "—".to_owned(),
    });
    let style = match of.state {
        PartitionState::CaughtUp => HELD,
        PartitionState::Lost | PartitionState::PastEnd => VIOLATED,
        PartitionState::Unknown | PartitionState::NoPosition => INCONCLUSIVE,
        _ => Style::new(),
    };
    [
        cell(name.clone()),
        of_name(position),
        of_name(of.end.as_ref().map(|it| signed(it.get()))),
        of_name(behind(&of.behind, &of.behind_stable, of.at_most)),
        of_name(of.lost.as_ref().map(|it| grouped(*it))),
        of_name(of.age_ms.as_ref().map(|it| clock(*it))),
        of_name(of.produced_per_s.as_ref().map(|it| rate(*it))),
        of_name(of.consumed_per_s.as_ref().map(|it| rate(*it))),
        of_name(of.caught_up_in_ms.as_ref().map(|it| until(*it))),
        of_name(of.deleted_in_ms.as_ref().map(|it| until(*it))),
        Cell {
            text: of.state.name().to_owned(),
            style,
        },
    ]
}

fn total(of: &GroupLag, reasons: &mut Reasons) -> [Cell; 11] {
    let [behind, lost, age, produced, consumed, caught_up, deleted] = sums(of, reasons);
    [
        Cell {
            text: "all".to_owned(),
            style: STRONG,
        },
        cell(""),
        cell(""),
        behind,
        lost,
        age,
        produced,
        consumed,
        caught_up,
        deleted,
        cell(""),
    ]
}

const GROUP_HEADS: [&str; 11] = [
    "group",
    "type",
    "consumer",
    "behind",
    "lost",
    "age h:m:s",
    "produced/s",
    "consumed/s",
    "caught up h:m:s",
    "deleted h:m:s",
    "members",
];

fn row(of: &GroupLag, reasons: &mut Reasons) -> [Cell; 11] {
    let members = of.members.as_ref().map(|it| grouped(*it));
    let members = reasons.cell(of.group.as_str(), members);
    let [behind, lost, age, produced, consumed, caught_up, deleted] = sums(of, reasons);
    [
        cell(of.group.as_str()),
        cell(of.group_type.clone().unwrap_or_else(|| "?".to_owned())),
        cell(of.consumer.name()),
        behind,
        lost,
        age,
        produced,
        consumed,
        caught_up,
        deleted,
        members,
    ]
}

fn sums(of: &GroupLag, reasons: &mut Reasons) -> [Cell; 7] {
    let mut cell = |known| reasons.cell(of.group.as_str(), known);
    [
        cell(behind(&of.behind, &of.behind_stable, of.at_most)),
        cell(of.lost.as_ref().map(|it| grouped(*it))),
        cell(of.age_ms.as_ref().map(|it| clock(*it))),
        cell(of.produced_per_s.as_ref().map(|it| rate(*it))),
        cell(of.consumed_per_s.as_ref().map(|it| rate(*it))),
        cell(of.caught_up_in_ms.as_ref().map(|it| until(*it))),
        cell(of.deleted_in_ms.as_ref().map(|it| until(*it))),
    ]
}

/// `1,200`, `≤1,200`, or `1,200 (1,100)` where an open transaction holds some of it back from
/// `read_committed`.
fn behind<'a>(
    behind: &'a Known<u64>,
    stable: &Known<u64>,
    at_most: bool,
) -> Result<String, &'a lag::Reason> {
    let all = behind.as_ref()?;
    let bound = if at_most && *all > 0 { "≤" } else { "" };
    Ok(match stable {
        Ok(stable) if stable < all => format!("{bound}{} ({})", grouped(*all), grouped(*stable)),
        _ => format!("{bound}{}", grouped(*all)),
    })
}

/// Why cells are unknown; equal reasons once.
#[derive(Default)]
struct Reasons(BTreeMap<String, Vec<String>>);

impl Reasons {
    fn cell(&mut self, of: &str, known: Result<String, &lag::Reason>) -> Cell {
        known.map_or_else(
            |reason| {
                let whose = self.0.entry(reason.to_string()).or_default();
                if whose.last().is_none_or(|it| it != of) {
                    whose.push(of.to_owned());
                }
                Cell {
                    text: "?".to_owned(),
                    style: INCONCLUSIVE,
                }
            },
            cell,
        )
    }

    fn write(&self, out: &mut String) {
        for (reason, whose) in self.0.iter().take(REASONS_MAX) {
            let first = whose.first().map_or("", String::as_str);
            let more = match whose.len() {
                0 | 1 => String::new(),
                all => format!(" and {} more", all - 1),
            };
            let _ = writeln!(out, "{FAINT}?{FAINT:#} {first}{more}: {reason}");
        }
        if let Some(more) = self.0.len().checked_sub(REASONS_MAX).filter(|it| *it > 0) {
            let _ = writeln!(
                out,
                "{FAINT}?{FAINT:#} {more} more reasons in --format json"
            );
        }
    }
}

/// The columns of words, which begin at the left; numbers end at the right.
const WORDS: [&str; 5] = ["partition", "group", "type", "consumer", "state"];

fn table<const N: usize>(out: &mut String, heads: &[&str; N], rows: &[[Cell; N]]) {
    let chars = |text: &str| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|it| chars(&it.text)).max().unwrap_or(0);
        widest.max(heads.get(column).map_or(0, |it| chars(it)))
    });
    let head = heads.map(|text| Cell {
        text: text.to_owned(),
        style: FAINT,
    });
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let Cell { text, style } = cell;
            let gap = " ".repeat(width - chars(text));
            let is_word = heads.get(column).is_some_and(|it| WORDS.contains(it));
            let _ = if is_word {
                write!(line, "  {style}{text}{style:#}{gap}")
            } else {
                write!(line, "  {gap}{style}{text}{style:#}")
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

fn rate(per_s: f64) -> String {
    if per_s < 10.0 {
        format!("{per_s:.1}")
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is 10 or more, and a cast of a float saturates"
        )]
        let whole = per_s.round() as u64;
        grouped(whole)
    }
}

fn until(until: Until) -> String {
    match until {
        Until::In(ms) => clock(ms),
        Until::Never => "never".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration in milliseconds")]
fn float(ms: u64) -> f64 {
    ms as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_as_exact_as_they_read_well() {
        assert_eq!(signed(-1000), "-1,000");
        assert_eq!(rate(0.04), "0.0");
        assert_eq!(rate(1234.5), "1,235");
    }
}
