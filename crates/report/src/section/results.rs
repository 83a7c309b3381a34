//! The results of one scenario: guarantees, counts, findings with their proof,
//! measurements, and the instrument's calibration.

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::verdict::{
    Counts, ErrorMeaning, Example, Finding, GroupMeasurements, Latency, Measurements, NamedRange,
    ScenarioVerdict,
};

use super::{figures as of_run, finding as about};
use crate::document::{Document, Item, Table, Text, code, text};
use crate::run::{Tally, Test, Word, is_as_wanted};
use crate::units::{Spread, duration_ms, duration_us, moment_us, number};

/// Examples of one anomaly that are printed; the others stand in verdict.json.
const EXAMPLES_MAX: usize = 2;
/// Ranges of one anomaly that are printed; the others stand in verdict.json.
const RANGES_MAX: usize = 8;

type Count = fn(&Counts) -> u64;
type Figure = fn(&Measurements) -> Option<u64>;
type Phase = fn(&Measurements) -> Option<Latency>;
type Unit = fn(u64) -> String;

pub(super) fn write(document: &mut Document, test: &Test<'_>) {
    if test.outcomes.is_empty() {
        return;
    }
    let is_repeated = test.outcomes.len() > 1;
    if is_repeated {
        doubts(document, test);
    }
    failures(document, test);
    if is_repeated {
        document.table(guarantees(test));
    }
    document.table(figures(test));
    if is_repeated {
        findings(document, test);
    }
    document.table(latencies(test));
    document.table(groups(test));
    document.table(still_reading(test));
    document.table(throttled(test));
    document.table(errors(test));
    if is_repeated {
        calibration(document, test);
    }
}

/// Parts that failed by themselves, with their traces.
fn failures(document: &mut Document, test: &Test<'_>) {
    let items: Vec<Item> = test
        .outcomes
        .iter()
        .flat_map(|outcome| {
            outcome.failures.iter().map(|failure| {
                let mut words = text![
                    in_repetition(test, outcome),
                    failure.part.as_str(),
                    " was ",
                    code(&failure.state),
                    format!(" at {}", duration_ms(failure.at_ms)),
                ];
                for (line, lead) in failure
                    .trace
                    .iter()
                    .zip([": "].into_iter().chain(std::iter::repeat("; ")))
                {
                    words.push(lead);
                    words.push(code(line));
                }
                words.push(".");
                Item::new(words)
            })
        })
        .collect();
    if !items.is_empty() {
        document.paragraph("Parts of the pipeline failed by themselves:");
        document.list(items);
    }
}

/// Says of which repetition something is told, where there are several.
pub(crate) fn in_repetition(test: &Test<'_>, outcome: &ScenarioVerdict) -> String {
    if test.outcomes.len() > 1 {
        format!("repetition {}: ", outcome.repetition)
    } else {
        String::new()
    }
}

fn doubts(document: &mut Document, test: &Test<'_>) {
    let items: Vec<Item> = test
        .outcomes
        .iter()
        .flat_map(|outcome| {
            outcome
                .doubts
                .iter()
                .map(|doubt| Item::new(text![in_repetition(test, outcome), doubt.as_str()]))
        })
        .collect();
    if !items.is_empty() {
        document.paragraph(
            "Not everything could be established. The figures below are what was recorded. \
             Reasons for doubt:",
        );
        document.list(items);
    }
}

fn guarantees(test: &Test<'_>) -> Table {
    let mut table = Table::new(["Guarantee", "Level", "Verdict", "Reason"]);
    let mut seen: Vec<Claim> = Vec::new();
    for outcome in &test.outcomes {
        for guarantee in &outcome.guarantees {
            if seen.contains(&guarantee.claim) {
                continue;
            }
            seen.push(guarantee.claim);
            let all = test.guarantees(guarantee.claim);
            let tally: Tally = all.iter().map(|(_, one)| Word::of(one)).collect();
            // The first of the worst, so that a repetition that differs is shown.
            let told = all
                .iter()
                .rev()
                .max_by_key(|(_, one)| (!is_as_wanted(one), one.verdict))
                .map(|(outcome, one)| {
                    let same = all.iter().all(|(_, other)| other.reason == one.reason);
                    let whose = if same {
                        String::new()
                    } else {
                        in_repetition(test, outcome)
                    };
                    text![whose, one.reason.as_str()]
                });
            table.row([
                text![code(guarantee.claim)],
                text![level(guarantee.level)],
                text![tally.to_string()],
                told.unwrap_or_default(),
            ]);
        }
    }
    table
}

pub(crate) const fn level(level: Level) -> &'static str {
    match level {
        Level::Required => "required",
        Level::Observed => "observed",
        Level::ExpectViolated => "violation expected",
    }
}

/// What was counted and measured, one line for each.
fn figures(test: &Test<'_>) -> Table {
    let mut table = Table::new(["Figure", "Value"]);
    counts(&mut table, test);
    measurements(&mut table, test);
    table
}

fn counts(table: &mut Table, test: &Test<'_>) {
    let records: [(&str, Count); 6] = [
        ("records sent", |counts| counts.sent),
        ("acknowledged", |counts| counts.acknowledged),
        ("failed: certainly not written", |counts| counts.failed),
        ("unknown: may or may not be written", |counts| {
            counts.unknown
        }),
        ("stored, copies included", |counts| counts.stored),
        ("distinct records stored", |counts| counts.distinct),
    ];
    let changes: [(&str, Count); 3] = [
        ("row changes committed", |counts| counts.changes),
        ("change events, copies included", |counts| {
            counts.change_events
        }),
        ("rows at the end", |counts| counts.rows),
    ];
    for group in [&records[..], &changes[..]] {
        let rows: Vec<(&str, Spread)> = group
            .iter()
            .map(|(name, count)| (*name, test.counted(|outcome| count(&outcome.counts))))
            .collect();
        // A pipeline without records (or without changes) has nothing to count.
        if rows.iter().all(|(_, spread)| spread.is_zero()) {
            continue;
        }
        for (name, spread) in rows {
            table.row([text![name], text![spread.show(number).unwrap_or_default()]]);
        }
    }
}

fn findings(document: &mut Document, test: &Test<'_>) {
    let mut table = Table::new(["Found", "Instances", "Contradicts", "Which"]);
    let mut explained: Vec<Item> = Vec::new();
    let mut proofs: Vec<(Text, Table)> = Vec::new();
    for anomaly in Anomaly::ALL {
        let with: Vec<(&ScenarioVerdict, &Finding)> = test
            .outcomes
            .iter()
            .flat_map(|outcome| {
                outcome
                    .findings
                    .iter()
                    .map(move |finding| (*outcome, finding))
            })
            .filter(|(_, finding)| finding.anomaly == *anomaly && finding.count > 0)
            .collect();
        let Some((outcome, finding)) = with.first() else {
            continue;
        };
        table.row([
            text![code(anomaly)],
            text![test.found(*anomaly).show(number).unwrap_or_default()],
            contradicted(test, *anomaly),
            text![in_repetition(test, outcome), named(finding)],
        ]);
        explained.push(about::explained(finding, &in_repetition(test, outcome)));
        for example in finding.examples.iter().take(EXAMPLES_MAX) {
            proofs.push((
                text![
                    code(anomaly),
                    ", for example ",
                    in_repetition(test, outcome),
                    example.item.as_str(),
                    ":",
                ],
                proof(example),
            ));
        }
    }
    document.table(table);
    document.list(explained);
    for (caption, table) in proofs {
        document.paragraph(caption);
        document.table(table);
    }
}

/// The guarantees of this scenario that one instance contradicts.
fn contradicted(test: &Test<'_>, anomaly: Anomaly) -> Text {
    let claims = Claim::ALL
        .iter()
        .filter(|claim| claim.contradicted_by().contains(&anomaly))
        .filter_map(|claim| {
            let guarantees = test.guarantees(*claim);
            let (_, guarantee) = guarantees.first()?;
            Some(text![code(claim), format!(" ({})", level(guarantee.level))])
        });
    Text::join(claims, ", ")
}

/// `p0 17-19, p0 23`; says when there are more.
pub(super) fn named(finding: &Finding) -> Text {
    let mut ranges: Vec<String> = finding
        .ranges
        .iter()
        .take(RANGES_MAX)
        .map(|NamedRange { of, first, last }| {
            if first == last {
                format!("{of} {first}")
            } else {
                format!("{of} {first} to {last}")
            }
        })
        .collect();
    let hidden = finding.ranges.len().saturating_sub(RANGES_MAX);
    if hidden > 0 {
        ranges.push(format!("{hidden} more ranges in verdict.json"));
    }
    if !finding.ranges_complete {
        ranges.push(String::from("and others that were not kept"));
    }
    text![ranges.join(", ")]
}

pub(super) fn proof(example: &Example) -> Table {
    let mut table = Table::new(["At", "Who", "What"]);
    for operation in &example.operations {
        table.row([
            text![operation.at_us.map_or_else(String::new, moment_us)],
            text![operation.actor.as_str()],
            text![operation.operation.as_str()],
        ]);
    }
    if !example.logs.is_empty() {
        table.row([text![""], text!["logs"], text![example.logs.join(", ")]]);
    }
    table
}

fn measurements(table: &mut Table, test: &Test<'_>) {
    let figures: [(&str, Figure, Unit); 8] = [
        (
            "longest time without an acknowledgement",
            |m| m.silent_longest_ms,
            duration_ms,
        ),
        (
            "recovery to first acknowledgement",
            |m| m.healed_to_first_ack_ms,
            duration_ms,
        ),
        ("peak in-flight records", |m| m.outstanding_peak, number),
        ("requests sent again", |m| m.retries, number),
        ("duplicates", |m| m.duplicates, number),
        (
            "restart to first change event",
            of_run::first_event_ms,
            duration_ms,
        ),
        ("restart to caught up", of_run::caught_up_ms, duration_ms),
        (
            "change events that repeat a change",
            |m| m.capture.as_ref().map(|capture| capture.duplicates),
            number,
        ),
    ];
    for (name, figure, unit) in figures {
        if let Some(value) = test.spread(figure).show(unit) {
            table.row([text![name], text![value]]);
        }
    }
}

fn latencies(test: &Test<'_>) -> Table {
    // Without a fault there is no before.
    let is_broken = test.scenario.is_none_or(|it| !it.faults.is_empty());
    let before = if is_broken { "before the fault" } else { "all" };
    let phases: [(&str, Phase); 3] = [
        (before, |m| m.latency_before),
        ("during", |m| m.latency_during),
        ("after the heal", |m| m.latency_after),
    ];
    let mut table = Table::new([
        "Send to acknowledgement",
        "Records",
        "p50",
        "p95",
        "p99",
        "Max",
    ]);
    for (name, phase) in phases {
        let show = |figure: fn(Latency) -> u64, unit: Unit| -> Text {
            let spread = test.spread(|m| phase(m).map(figure));
            text![spread.show(unit).unwrap_or_default()]
        };
        if test
            .spread(|m| phase(m).map(|latency| latency.count))
            .is_unknown()
        {
            continue;
        }
        table.row([
            text![name],
            show(|latency| latency.count, number),
            show(|latency| latency.p50_us, duration_us),
            show(|latency| latency.p95_us, duration_us),
            show(|latency| latency.p99_us, duration_us),
            show(|latency| latency.max_us, duration_us),
        ]);
    }
    table
}

fn groups(test: &Test<'_>) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for outcome in &test.outcomes {
        for group in &outcome.measurements.groups {
            if !names.contains(&group.group.as_str()) {
                names.push(&group.group);
            }
        }
    }
    let mut table = Table::new([
        "Group",
        "Processed",
        "Different",
        "Reprocessed",
        "Out for",
        "Of that, from its start",
        "Lag peak",
        "Lag mean",
    ]);
    for name in names {
        let of = |figure: fn(&GroupMeasurements) -> Option<u64>, unit: Unit| {
            let spread = test.spread(|m| {
                m.groups
                    .iter()
                    .find(|group| group.group == name)
                    .and_then(figure)
            });
            text![spread.show(unit).unwrap_or_default()]
        };
        table.row([
            text![code(name)],
            of(|group| Some(group.processed), number),
            of(|group| Some(group.distinct), number),
            of(|group| Some(group.reprocessed), number),
            of(|group| group.outage_ms, duration_ms),
            of(|group| group.recovery_ms, duration_ms),
            of(|group| Some(group.lag_peak), number),
            of(|group| Some(group.lag_mean), number),
        ]);
    }
    table
}

/// Groups that were slow, and not stopped.
fn still_reading(test: &Test<'_>) -> Table {
    let mut table = Table::new([
        "Still reading when its time was up",
        "Records left",
        "Came to",
        "In",
        "Would need",
    ]);
    for outcome in &test.outcomes {
        for of in &outcome.measurements.still_reading {
            table.row([
                text![in_repetition(test, outcome), code(&of.group)],
                text![number(of.remaining)],
                text![number(of.progressed)],
                text![duration_ms(of.waited_ms)],
                text![of.estimated_ms.map(duration_ms).unwrap_or_default()],
            ]);
        }
    }
    table
}

fn throttled(test: &Test<'_>) -> Table {
    let mut table = Table::new(["Told by brokers to wait (a quota)", "For"]);
    for outcome in &test.outcomes {
        for of in &outcome.measurements.throttled {
            table.row([
                text![in_repetition(test, outcome), code(&of.client)],
                text![duration_ms(of.total_ms)],
            ]);
        }
    }
    table
}

/// Errors that clients reported.
fn errors(test: &Test<'_>) -> Table {
    let mut table = Table::new([
        "Reported by",
        "Error",
        "Times",
        "What it says",
        "First",
        "Last",
    ]);
    for outcome in &test.outcomes {
        for of in &outcome.measurements.errors {
            let reason = if of.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", of.reason)
            };
            table.row([
                text![in_repetition(test, outcome), code(&of.client)],
                text![of.error.as_str()],
                text![number(of.count)],
                text![meaning(of.meaning), reason],
                text![duration_ms(of.first_ms)],
                text![duration_ms(of.last_ms)],
            ]);
        }
    }
    table
}

const fn meaning(of: ErrorMeaning) -> &'static str {
    match of {
        ErrorMeaning::Failed => "certainly not written",
        ErrorMeaning::Unknown => "may or may not be written",
        ErrorMeaning::Unable => "the client is not made for it (the instrument's limit)",
        ErrorMeaning::NotAllowed => "not allowed to ackproof's client (the instrument's limit)",
        ErrorMeaning::Pipeline => "the pipeline, its configuration or a fault",
    }
}

fn calibration(document: &mut Document, test: &Test<'_>) {
    let mutants: Vec<_> = test
        .outcomes
        .iter()
        .flat_map(|outcome| {
            outcome
                .calibration
                .iter()
                .map(move |mutant| (*outcome, mutant))
        })
        .collect();
    let found = mutants.iter().filter(|(_, mutant)| mutant.found).count();
    if mutants.is_empty() {
        document.paragraph("Calibration: none was recorded.");
        return;
    }
    let mut kinds: Vec<Anomaly> = mutants.iter().map(|(_, mutant)| mutant.anomaly).collect();
    kinds.sort_unstable();
    kinds.dedup();
    document.paragraph(text![
        format!(
            "Calibration: {found} of {} errors planted into the recorded history were found (",
            mutants.len()
        ),
        Text::join(kinds.into_iter().map(|kind| text![code(kind)]), ", "),
        ").",
    ]);
    document.list(
        mutants
            .iter()
            .filter(|(_, mutant)| !mutant.found)
            .map(|(outcome, mutant)| {
                Item::new(text![
                    "missed: ",
                    in_repetition(test, outcome),
                    code(mutant.anomaly),
                    ", ",
                    mutant.mutation.as_str(),
                ])
            })
            .collect(),
    );
}
