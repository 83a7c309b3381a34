//! The three recovery patterns, in the numbers of this run.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::{Consequence, Scenario};

use super::figures::{lag_peak, outage_ms, recovery_ms};
use crate::document::{Document, Table, Text, code, text};
use crate::run::{Run, Test};
use crate::units::{duration_ms, number};

const NOT_MEASURED: &str = "Not measured in this run.";

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    let freezes = |scenario: &Scenario| scenario.leads_to(Consequence::BrokersFreeze);
    document.heading(2, "Failure recovery patterns");
    document.heading(3, "Broker restart");
    pattern(document, run, Consequence::BrokersEnd, &PRODUCER_ROWS, "");
    document.heading(3, "Consumer restart");
    pattern(document, run, Consequence::MemberEnds, &CONSUMER_ROWS, "");
    document.heading(3, "Network partition");
    pattern(
        document,
        run,
        Consequence::BrokersUnreachable,
        &PRODUCER_ROWS,
        if run.ran(freezes).is_empty() {
            ""
        } else {
            "A frozen broker is not a partition: its connections stay open, and what waits in \
             them is answered when it continues. A cut ends them."
        },
    );
}

/// One row of a scenario; none where it was not measured.
type Row = (&'static str, fn(&Test<'_>) -> Option<String>);

const PRODUCER_ROWS: [Row; 10] = [
    ("outage: in force to healed", |test| {
        test.outages().show(duration_ms)
    }),
    ("first acknowledgement after the heal", |test| {
        test.spread(|m| m.healed_to_first_ack_ms).show(duration_ms)
    }),
    ("longest time without an acknowledgement", |test| {
        test.spread(|m| m.silent_longest_ms).show(duration_ms)
    }),
    ("peak in-flight records", |test| {
        test.spread(|m| m.outstanding_peak).show(number)
    }),
    ("requests sent again", |test| {
        test.spread(|m| m.retries).show(number)
    }),
    ("outcome failed", |test| {
        test.counted(|outcome| outcome.counts.failed).show(number)
    }),
    ("outcome unknown", |test| {
        test.counted(|outcome| outcome.counts.unknown).show(number)
    }),
    ("acknowledged records lost", |test| {
        test.found(Anomaly::LostWrite).show(number)
    }),
    ("duplicates", |test| {
        test.found(Anomaly::Duplicate).show(number)
    }),
    ("no-loss", |test| claim(test, Claim::NoLoss)),
];

const CONSUMER_ROWS: [Row; 9] = [
    ("outage: in force to healed", |test| {
        test.outages().show(duration_ms)
    }),
    (
        "the old consumer's end to the new one's first record",
        |test| test.spread(outage_ms).show(duration_ms),
    ),
    ("of that, from the new consumer's start", |test| {
        test.spread(recovery_ms).show(duration_ms)
    }),
    ("peak lag", |test| test.spread(lag_peak).show(number)),
    ("records skipped", |test| {
        test.found(Anomaly::GroupGap).show(number)
    }),
    ("records reprocessed", |test| {
        test.found(Anomaly::Reprocessed).show(number)
    }),
    ("no-group-gap", |test| claim(test, Claim::NoGroupGap)),
    ("group-complete", |test| claim(test, Claim::GroupComplete)),
    ("recovers-within", |test| claim(test, Claim::RecoversWithin)),
];

fn claim(test: &Test<'_>, claim: Claim) -> Option<String> {
    let tally = test.claim_tally(claim);
    (tally.total() > 0).then(|| tally.to_string())
}

fn pattern(document: &mut Document, run: &Run<'_>, what: Consequence, rows: &[Row], remark: &str) {
    let mut measured = Vec::new();
    for test in run.ran(|scenario| scenario.leads_to(what)) {
        let landed = test.where_faults_landed();
        let void = test.outcomes.len() - landed.outcomes.len();
        if void > 0 {
            let of = match test.outcomes.len() {
                1 => String::new(),
                more => format!(" in {void} of {more} runs"),
            };
            document.paragraph(text![
                code(test.name),
                format!(": no recovery data, because a fault never took effect{of}."),
            ]);
        }
        if !landed.outcomes.is_empty() {
            measured.push(landed);
        }
    }
    if measured.is_empty() {
        document.paragraph(NOT_MEASURED);
        return;
    }
    let names = measured.iter().map(|test| text![code(test.name)]);
    let mut table = Table::new(std::iter::once(Text::default()).chain(names));
    for (name, figure) in rows {
        let cells: Vec<Option<String>> = measured.iter().map(|test| figure(test)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells
                .into_iter()
                .map(|cell| text![cell.unwrap_or_else(|| String::from("not established"))]);
            table.row(std::iter::once(text![*name]).chain(cells));
        }
    }
    document.table(table);
    if !remark.is_empty() {
        document.paragraph(remark);
    }
}
