//! A run's outcome in lines for people: one for each scenario, and what there
//! is to know where the outcome is not HELD. Pure: the same verdict gives the
//! same lines. Every figure in them was computed from the history.

use std::fmt::Write as _;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::FaultKind;
use model::verdict::{
    ErrorMeaning, Example, Finding, GroupMeasurements, Interruption, NamedRange, RunVerdict,
    ScenarioVerdict, Verdict,
};

use crate::style::{self, FAINT, STRONG};
use model::scenario::words::{counted, duration_ms};

/// The order in which people want to read versions; others follow by name.
const VERSIONS: [&str; 6] = [
    "ackproof",
    "kafka",
    "debezium",
    "postgresql",
    "librdkafka",
    "java",
];
/// Wide enough for every verdict.
const VERDICT_CHARS: usize = 12;
/// Ranges that name the instances of a finding on its line, at most.
const RANGES_MAX: usize = 4;

/// Examples of each anomaly that are proved on a terminal, unless more are
/// asked for.
pub(crate) const PROOFS_SHOWN: usize = 1;
/// Rows of one proof, at most; all are in verdict.json.
const ROWS_MAX: usize = 12;

/// What takes part, and the seed that plans the same again.
pub(crate) fn header(plan: &RunPlan) -> String {
    let known = VERSIONS
        .iter()
        .filter_map(|name| plan.versions.get_key_value(*name));
    let others = plan
        .versions
        .iter()
        .filter(|(name, _)| !VERSIONS.contains(&name.as_str()));
    let mut parts: Vec<String> = known
        .chain(others)
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    parts.push(format!("seed {}", plan.seed));
    format!("{STRONG}{}{STRONG:#}\n", parts.join(" · "))
}

/// Scenarios that were asked for and are not run, each with its reasons.
pub(crate) fn skipped(plan: &RunPlan) -> String {
    let mut out = String::new();
    for scenario in &plan.skipped {
        let _ = writeln!(
            out,
            "  {FAINT}{:VERDICT_CHARS$}{FAINT:#}  {}: {}",
            "skipped",
            scenario.scenario,
            scenario.reasons.join("; ")
        );
    }
    out
}

/// The widest name of the run, so that columns stand under each other.
pub(crate) fn name_chars(plan: &RunPlan) -> usize {
    plan.scenarios
        .iter()
        .map(|scenario| scenario.folder().chars().count())
        .max()
        .unwrap_or(0)
}

/// One scenario: its verdict and key figures, and what stands behind a verdict
/// that is not HELD.
pub(crate) fn scenario(
    plan: &ScenarioPlan,
    verdict: &ScenarioVerdict,
    name_chars: usize,
    proofs: usize,
) -> String {
    match verdict.stopped {
        // One that never began has nothing to tell; the summary counts it.
        Some(Interruption::NotStarted) => return String::new(),
        Some(Interruption::Interrupted) if verdict.verdict == Verdict::Inconclusive => {
            let folder = plan.folder();
            return format!(
                "  {FAINT}{:VERDICT_CHARS$}{FAINT:#}  {folder}\n",
                "interrupted"
            );
        }
        _ => {}
    }
    let style = style::of(verdict);
    let mut out = format!(
        "  {style}{:VERDICT_CHARS$}{style:#}  {:name_chars$}  ",
        verdict.verdict,
        plan.folder()
    );
    match verdict.verdict {
        Verdict::Held => {
            let _ = writeln!(out, "{}", figures(verdict).join("  "));
        }
        Verdict::Violated => {
            let lead = if verdict.as_expected {
                "as expected: "
            } else {
                ""
            };
            let _ = writeln!(out, "{lead}{}", figures(verdict).join("  "));
            violations(&mut out, verdict, proofs);
            doubts(&mut out, &verdict.doubts);
        }
        Verdict::Inconclusive => {
            let _ = writeln!(out, "{}", figures(verdict).join("  "));
            if verdict.doubts.is_empty() {
                doubts(&mut out, &open_questions(verdict));
            } else {
                doubts(&mut out, &verdict.doubts);
            }
        }
    }
    unacknowledged(&mut out, verdict);
    failures(&mut out, verdict);
    match &plan.prefix {
        // The same before all names of a scenario: on a line it only hides
        // what comes behind it. plan.json and the report have it.
        Some(prefix) => out.replace(&prefix.to_string(), ""),
        None => out,
    }
}

/// A scenario's line where several runs are beside each other: the table says
/// the rest.
pub(crate) fn in_column(column: &str, plan: &ScenarioPlan, verdict: &ScenarioVerdict) -> String {
    if verdict.was_not_started() {
        return String::new();
    }
    let style = style::of(verdict);
    let expected = match verdict.verdict {
        Verdict::Violated if verdict.as_expected => " (as expected)",
        _ => "",
    };
    format!(
        "  {style}{:VERDICT_CHARS$}{style:#}  {}  {FAINT}{column}{expected}{FAINT:#}\n",
        verdict.verdict,
        plan.folder()
    )
}

/// Why sends were not acknowledged, in the client's words.
fn unacknowledged(out: &mut String, verdict: &ScenarioVerdict) {
    let errors = verdict.measurements.errors.iter();
    let told = errors.filter_map(|it| {
        let outcome = match it.meaning {
            ErrorMeaning::Failed => "failed",
            ErrorMeaning::Unknown => "unknown",
            ErrorMeaning::Unable | ErrorMeaning::NotAllowed | ErrorMeaning::Pipeline => {
                return None;
            }
        };
        Some(format!("{} {outcome} ({})", it.count, it.error))
    });
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        let _ = writeln!(out, "    not acknowledged: {}", told.join(", "));
    }
}

/// Parts of the pipeline that failed by themselves, with their traces.
fn failures(out: &mut String, verdict: &ScenarioVerdict) {
    for failure in &verdict.failures {
        let _ = writeln!(
            out,
            "    {} {} at {}",
            failure.part,
            failure.state,
            duration_ms(failure.at_ms)
        );
        for line in &failure.trace {
            let _ = writeln!(out, "      {FAINT}{line}{FAINT:#}");
        }
    }
}

/// How many of which verdict.
pub(crate) fn totals(plan: &RunPlan, verdict: &RunVerdict) -> String {
    let count = |wanted: Verdict, as_expected: bool| {
        let of = verdict.scenarios.iter();
        of.filter(|it| it.verdict == wanted && it.as_expected == as_expected)
            .count()
    };
    let held = count(Verdict::Held, true) + count(Verdict::Held, false);
    let violated = count(Verdict::Violated, false);
    let as_expected = count(Verdict::Violated, true);
    let stopped = |how: Interruption| {
        let all = verdict.scenarios.iter();
        let stopped = all.filter(|it| it.stopped == Some(how));
        stopped
            .filter(|it| it.verdict == Verdict::Inconclusive)
            .count()
    };
    let (interrupted, not_started) = (
        stopped(Interruption::Interrupted),
        stopped(Interruption::NotStarted),
    );
    let inconclusive = count(Verdict::Inconclusive, false) + count(Verdict::Inconclusive, true);
    let inconclusive = inconclusive - interrupted - not_started;
    let mut parts = vec![format!("{held} HELD")];
    if violated > 0 || as_expected == 0 {
        parts.push(format!("{violated} VIOLATED"));
    }
    if as_expected > 0 {
        parts.push(format!("{as_expected} VIOLATED as expected"));
    }
    parts.push(format!("{inconclusive} INCONCLUSIVE"));
    if interrupted + not_started > 0 {
        parts.push(format!(
            "{interrupted} interrupted, {not_started} not started"
        ));
    }
    let skipped = plan.skipped.len();
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    parts.join(" · ")
}

/// The figures that tell most about a scenario, by its kind.
fn figures(verdict: &ScenarioVerdict) -> Vec<String> {
    let counts = &verdict.counts;
    let measured = &verdict.measurements;
    // Zero is a figure only where it could be counted.
    let known = |count: u64| count > 0 || verdict.verdict != Verdict::Inconclusive;
    let mut figures = Vec::new();
    if let Some(capture) = &measured.capture {
        figures.push(counted(counts.changes, "change"));
        figures.push(counted(counts.change_events, "event"));
        figures.extend(settled(
            verdict,
            Claim::NoRowMissing,
            Anomaly::RowMissing,
            "missing",
        ));
        if known(capture.duplicates) {
            figures.push(counted(capture.duplicates, "duplicate"));
        }
        figures.extend(time("first event after", capture.first_event_ms));
        figures.extend(time("caught up after", capture.caught_up_ms));
        let groups = measured.groups.iter();
        figures.extend(groups.filter(|it| known(it.processed)).map(group_figures));
        return figures;
    }
    if let [group] = measured.groups.as_slice() {
        figures.push(format!("{} read", group.distinct));
        figures.extend(settled(
            verdict,
            Claim::NoGroupGap,
            Anomaly::GroupGap,
            "skipped",
        ));
        if known(group.reprocessed) {
            figures.push(format!("{} reprocessed", group.reprocessed));
        }
        let holds_up = |kind: &str| {
            let mut kinds = FaultKind::ALL.iter();
            kinds.any(|it| it.name == kind && it.breaks.holds_up_producers())
        };
        if verdict.faults.iter().any(|fault| holds_up(&fault.kind)) {
            figures.extend(time("no ack for", measured.silent_longest_ms));
        }
        // As its users see it, and what of it the new member took.
        figures.extend(time("out for", group.outage_ms));
        figures.extend(
            group
                .recovery_ms
                .map(|ms| format!("reading {} after its start", duration_ms(ms))),
        );
        return figures;
    }
    figures.push(format!("{} sent", counts.sent));
    figures.push(format!("{} acked", counts.acknowledged));
    if counts.unknown > 0 {
        figures.push(format!("{} unknown", counts.unknown));
    }
    if counts.failed > 0 {
        figures.push(format!("{} failed", counts.failed));
    }
    figures.extend(settled(verdict, Claim::NoLoss, Anomaly::LostWrite, "lost"));
    if measured.groups.is_empty() {
        let duplicates = measured.duplicates.filter(|count| known(*count));
        figures.extend(duplicates.map(|count| counted(count, "duplicate")));
        if !verdict.faults.is_empty() {
            figures.extend(time("no ack for", measured.silent_longest_ms));
        }
        figures.extend(
            measured
                .healed_to_first_ack_ms
                .map(|ms| format!("first ack {} after the heal", duration_ms(ms))),
        );
    } else {
        let duplicates = measured.duplicates.filter(|count| *count > 0);
        figures.extend(duplicates.map(|count| counted(count, "duplicate")));
        let groups = measured.groups.iter();
        figures.extend(groups.filter(|it| known(it.processed)).map(group_figures));
    }
    figures
}

fn group_figures(group: &GroupMeasurements) -> String {
    format!(
        "{}: {} read, lag up to {}",
        group.group, group.distinct, group.lag_peak
    )
}

/// A count of an anomaly, unless it is zero only because it could not be counted.
fn settled(
    verdict: &ScenarioVerdict,
    claim: Claim,
    anomaly: Anomaly,
    word: &str,
) -> Option<String> {
    let found = verdict
        .findings
        .iter()
        .find(|finding| finding.anomaly == anomaly)
        .map_or(0, |finding| finding.count);
    let could_look = verdict
        .guarantees
        .iter()
        .any(|it| it.claim == claim && it.verdict != Verdict::Inconclusive);
    (found > 0 || could_look).then(|| format!("{found} {word}"))
}

fn time(word: &str, ms: Option<u64>) -> Option<String> {
    ms.map(|ms| format!("{word} {}", duration_ms(ms)))
}

/// The guarantees that were violated, and the findings that contradict them.
fn violations(out: &mut String, verdict: &ScenarioVerdict, proofs: usize) {
    let violated: Vec<_> = verdict
        .guarantees
        .iter()
        .filter(|it| it.verdict == Verdict::Violated && it.level != Level::Observed)
        .collect();
    for guarantee in &violated {
        let _ = writeln!(
            out,
            "    {STRONG}{}{STRONG:#}: {}",
            guarantee.claim, guarantee.reason
        );
    }
    let against: Vec<&Finding> = verdict
        .findings
        .iter()
        .filter(|finding| {
            let mut claims = violated.iter();
            claims.any(|it| it.claim.contradicted_by().contains(&finding.anomaly))
        })
        .collect();
    let anomaly_chars = against
        .iter()
        .map(|finding| finding.anomaly.name().len())
        .max()
        .unwrap_or(0);
    for against in against {
        finding(out, against, anomaly_chars, proofs);
    }
}

/// What was found, how often, where it was lost, and a few instances with
/// their proofs.
pub(crate) fn finding(out: &mut String, finding: &Finding, anomaly_chars: usize, proofs: usize) {
    let _ = writeln!(
        out,
        "      {:anomaly_chars$}  {:>7}  {}",
        finding.anomaly,
        finding.count,
        ranges(finding)
    );
    for at in &finding.lost_at {
        let _ = writeln!(
            out,
            "        {} {} [{}]",
            at.count,
            at.hop.words(),
            at.certainty.name()
        );
    }
    for example in finding.examples.iter().take(proofs) {
        proof(out, example);
    }
}

/// Which records or rows a finding is about.
fn ranges(finding: &Finding) -> String {
    let mut shown: Vec<String> = finding.ranges.iter().take(RANGES_MAX).map(range).collect();
    let more = finding.ranges.len().saturating_sub(RANGES_MAX);
    if more > 0 || !finding.ranges_complete {
        let least = if finding.ranges_complete {
            ""
        } else {
            "at least "
        };
        shown.push(format!("and {least}{} more", counted(more as u64, "range")));
    }
    shown.join(", ")
}

fn range(range: &NamedRange) -> String {
    if range.first == range.last {
        format!("{}/{}", range.of, range.first)
    } else {
        format!("{}/{}-{}", range.of, range.first, range.last)
    }
}

/// One instance with the operations that prove it: time, actor, operation.
fn proof(out: &mut String, example: &Example) {
    let _ = writeln!(out, "        {FAINT}for example {}{FAINT:#}", example.item);
    let shown = &example.operations[..example.operations.len().min(ROWS_MAX)];
    let who_chars = shown.iter().map(|it| it.actor.chars().count()).max();
    let who_chars = who_chars.unwrap_or(0);
    for operation in shown {
        let at = operation.at_us.map_or_else(String::new, |us| {
            format!("{}.{:03} s", us / 1_000_000, us / 1000 % 1000)
        });
        let _ = writeln!(
            out,
            "          {FAINT}{at:>10}  {:who_chars$}  {}{FAINT:#}",
            operation.actor, operation.operation
        );
    }
    if !example.logs.is_empty() {
        let logs = example.logs.join(", ");
        let _ = writeln!(out, "          {FAINT}{:>10}  logs: {logs}{FAINT:#}", "");
    }
    let more = example.operations.len() - shown.len();
    if more > 0 {
        let more = counted(more as u64, "operation");
        let _ = writeln!(
            out,
            "          {FAINT}{:>10}  and {more} more, in verdict.json{FAINT:#}",
            ""
        );
    }
}

pub(crate) fn doubts(out: &mut String, doubts: &[String]) {
    for doubt in doubts {
        let _ = writeln!(out, "    inconclusive because: {doubt}");
    }
}

/// Why a verdict is INCONCLUSIVE where the run as a whole raises no doubt.
fn open_questions(verdict: &ScenarioVerdict) -> Vec<String> {
    verdict
        .guarantees
        .iter()
        .filter(|it| match it.level {
            Level::Required => it.verdict == Verdict::Inconclusive,
            Level::ExpectViolated => it.verdict != Verdict::Violated,
            Level::Observed => false,
        })
        .map(|it| format!("{}: {}", it.claim, it.reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::verdict::{CaptureMeasurements, Counts, GuaranteeVerdict, Measurements};

    fn judged(measurements: Measurements, claim: Claim, outcome: Verdict) -> ScenarioVerdict {
        ScenarioVerdict {
            name: "any".to_owned(),
            repetition: 1,
            timing: None,
            stopped: None,
            verdict: outcome,
            as_expected: outcome == Verdict::Held,
            doubts: Vec::new(),
            guarantees: vec![GuaranteeVerdict {
                claim,
                level: Level::Required,
                verdict: outcome,
                reason: "because".to_owned(),
            }],
            findings: Vec::new(),
            counts: Counts {
                sent: 500,
                acknowledged: 490,
                unknown: 10,
                changes: 15,
                change_events: 17,
                ..Counts::default()
            },
            faults: Vec::new(),
            failures: Vec::new(),
            measurements,
            calibration: Vec::new(),
        }
    }

    fn group(name: &str) -> GroupMeasurements {
        GroupMeasurements {
            group: name.to_owned(),
            processed: 537,
            distinct: 500,
            reprocessed: 37,
            recovery_ms: Some(812),
            outage_ms: Some(3812),
            lag_peak: 28,
            lag_mean: 3,
        }
    }

    fn of_groups(names: &[&str]) -> Measurements {
        Measurements {
            groups: names.iter().map(|name| group(name)).collect(),
            ..Measurements::default()
        }
    }

    #[test]
    fn a_group_is_told_by_what_it_read_and_when_it_was_back() {
        let verdict = judged(of_groups(&["g"]), Claim::NoGroupGap, Verdict::Held);
        assert_eq!(
            figures(&verdict).join("  "),
            "500 read  0 skipped  37 reprocessed  out for 3.8 s  reading 0.8 s after its start"
        );
    }

    #[test]
    fn several_groups_are_told_apart() {
        let verdict = judged(of_groups(&["g", "h"]), Claim::NoLoss, Verdict::Held);
        assert_eq!(
            figures(&verdict).join("  "),
            "500 sent  490 acked  10 unknown  0 lost  g: 500 read, lag up to 28  \
             h: 500 read, lag up to 28"
        );
    }

    #[test]
    fn capture_is_told_by_changes_and_events() {
        let measurements = Measurements {
            capture: Some(CaptureMeasurements {
                first_event_ms: Some(1200),
                caught_up_ms: None,
                duplicates: 2,
            }),
            ..Measurements::default()
        };
        let verdict = judged(measurements, Claim::NoRowMissing, Verdict::Held);
        assert_eq!(
            figures(&verdict).join("  "),
            "15 changes  17 events  0 missing  2 duplicates  first event after 1.2 s"
        );
    }

    #[test]
    fn losses_that_could_not_be_looked_for_are_not_said_to_be_none() {
        let unread = Measurements {
            duplicates: Some(0),
            ..Measurements::default()
        };
        let verdict = judged(unread, Claim::NoLoss, Verdict::Inconclusive);
        assert_eq!(
            figures(&verdict).join("  "),
            "500 sent  490 acked  10 unknown"
        );
    }

    #[test]
    fn an_inconclusive_line_says_what_is_open_even_without_a_doubt_about_the_run() {
        let verdict = judged(of_groups(&[]), Claim::NoLoss, Verdict::Inconclusive);
        assert_eq!(open_questions(&verdict), ["no-loss: because"]);
    }

    #[test]
    fn many_ranges_are_cut_short_with_their_number() {
        let finding = Finding {
            anomaly: Anomaly::LostWrite,
            count: 12,
            ranges: (0..6)
                .map(|n| NamedRange {
                    of: "p0".to_owned(),
                    first: n * 10,
                    last: n * 10 + n % 2,
                })
                .collect(),
            ranges_complete: true,
            lost_at: Vec::new(),
            examples: Vec::new(),
        };
        assert_eq!(
            ranges(&finding),
            "p0/0, p0/10-11, p0/20, p0/30-31, and 2 ranges more"
        );
    }
}
