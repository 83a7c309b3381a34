//! The recovery patterns as they are documented, and in the numbers of this run.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::{Consequence, FaultTarget, Scenario};

use super::figures::{caught_up_ms, first_event_ms, lag_peak, outage_ms, recovery_ms};
use super::scenario;
use crate::document::{Document, Item, Table, code, source, text};
use crate::run::{Run, Test};
use crate::units::{duration_ms, number};

const NOT_MEASURED: &str = "Not measured in this run.";

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Failure recovery patterns");
    for of in &PATTERNS {
        pattern(document, run, of);
    }
}

/// How a part of the pipeline recovers.
struct Pattern {
    title: &'static str,
    /// What is documented of it, in steps, and where.
    steps: &'static [&'static str],
    source: &'static str,
    is_in: fn(&Scenario) -> bool,
    figures: &'static [Figure],
}

const PATTERNS: [Pattern; 4] = [
    Pattern {
        title: "Broker restart",
        steps: &[
            "The producer loses its connections, and keeps what has no outcome in buffer.memory.",
            "It connects again after reconnect.backoff.ms, up to reconnect.backoff.max.ms, and \
             sends again after retry.backoff.ms.",
            "What was stored and not answered is stored twice, unless the producer is idempotent.",
            "What outlasts delivery.timeout.ms is given up, and its outcome is unknown.",
        ],
        source: "KIP-91; Kafka documentation, producer configs, delivery.timeout.ms",
        is_in: |scenario| scenario.leads_to(Consequence::BrokersEnd),
        figures: &OF_PRODUCERS,
    },
    Pattern {
        title: "Consumer restart",
        steps: &[
            "A member that leaves cleanly commits and leaves its group; one that is killed is \
             missed after session.timeout.ms, or comes back as the same static member.",
            "Its successor resumes at the committed offset: the next record to read.",
            "What was processed and not yet committed is processed again.",
        ],
        source: "KafkaConsumer, Offsets and Consumer Position; KIP-345",
        is_in: |scenario| scenario.leads_to(Consequence::MemberEnds),
        figures: &OF_CONSUMERS,
    },
    Pattern {
        title: "Network partition",
        steps: &[
            "No answer comes; after request.timeout.ms the producer ends the connection.",
            "It sends again when it can connect; requests whose answers were lost are repeated.",
            "A frozen broker is no partition: its connections stay open, and what waits in them \
             is answered when it continues.",
        ],
        source: "Kafka documentation, producer configs, request.timeout.ms",
        is_in: |scenario| scenario.leads_to(Consequence::BrokersUnreachable),
        figures: &OF_PRODUCERS,
    },
    Pattern {
        title: "Debezium connector restart",
        steps: &[
            "Connect stores a source connector's offset after its records, every \
             offset.flush.interval.ms.",
            "The task that is started again asks the replication slot for what comes after the \
             stored offset: what was sent since is sent again.",
            "PostgreSQL keeps the log that the slot has not confirmed, without a bound unless \
             max_slot_wal_keep_size sets one.",
        ],
        source: "KIP-618; Debezium connector for PostgreSQL",
        is_in: |scenario| {
            let mut faults = scenario.faults.iter();
            faults.any(|fault| fault.kind.definition().breaks == FaultTarget::Connector)
        },
        figures: &OF_CONNECTORS,
    },
];

/// A column: what is measured; none where it was not.
type Figure = (&'static str, fn(&Test<'_>) -> Option<String>);

const OF_PRODUCERS: [Figure; 10] = [
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

const OF_CONSUMERS: [Figure; 9] = [
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

const OF_CONNECTORS: [Figure; 6] = [
    ("outage: in force to healed", |test| {
        test.outages().show(duration_ms)
    }),
    ("first change event after the restart", |test| {
        test.spread(first_event_ms).show(duration_ms)
    }),
    ("caught up after", |test| {
        test.spread(caught_up_ms).show(duration_ms)
    }),
    ("changes without an event", |test| {
        test.found(Anomaly::RowMissing).show(number)
    }),
    ("changes with two events", |test| {
        test.found(Anomaly::RowDuplicate).show(number)
    }),
    ("no-row-missing", |test| claim(test, Claim::NoRowMissing)),
];

fn claim(test: &Test<'_>, claim: Claim) -> Option<String> {
    let tally = test.claim_tally(claim);
    (tally.total() > 0).then(|| tally.to_string())
}

fn pattern(document: &mut Document, run: &Run<'_>, of: &Pattern) {
    document.heading(3, of.title);
    document.list(of.steps.iter().map(|step| Item::new(*step)).collect());
    document.paragraph(text!["Documented: ", source(of.source), "."]);
    let mut measured = Vec::new();
    for test in run.ran(of.is_in) {
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
    let figures = of.figures.iter();
    let figures = figures.filter(|(_, figure)| measured.iter().any(|it| figure(it).is_some()));
    let figures: Vec<&Figure> = figures.collect();
    let head = figures.iter().map(|(name, _)| text![*name]);
    let mut table = Table::new([text!["In this run"]].into_iter().chain(head));
    for test in &measured {
        let cells = figures.iter().map(|(_, figure)| figure(test));
        let cells =
            cells.map(|cell| text![cell.unwrap_or_else(|| String::from("not established"))]);
        table.row([text![scenario(test.name)]].into_iter().chain(cells));
    }
    document.table(table);
}
