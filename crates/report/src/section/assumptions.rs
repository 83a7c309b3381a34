//! What reports on delivery guarantees commonly take for granted, and the answer of this
//! run. An answer follows from what the run's scenarios showed, and from nothing else.

use std::fmt;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::course::Quantity;
use model::scenario::client::ClientSpec;
use model::scenario::defaults::{ClientKind, unset};
use model::scenario::{
    Commit, Config, Consequence, EndSignal, FaultKind, Offsets, Producer, Scenario,
};

use super::scenario as link_to;
use crate::document::{Document, Table, Text, code, source, strong, text};
use crate::run::{Run, Test, Word};
use crate::twins;
use crate::units::{number, separated};

/// A sentence that is commonly taken for granted.
struct Assumption {
    sentence: &'static str,
    /// What is documented, and where.
    fact: &'static str,
    source: &'static str,
    /// What puts it to the test.
    command: &'static str,
    answer: fn(&Run<'_>) -> Answer,
}

/// What this run says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Confirmed(Text),
    Refuted(Text),
    /// With what was run and could not tell, if anything.
    NotTested(Text),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed(_) => "CONFIRMED",
            Self::Refuted(_) => "REFUTED",
            Self::NotTested(_) => "NOT TESTED",
        })
    }
}

/// Twins at full speed.
const COSTS: &str = "ackproof run docs/guides/costs --repeat 3";

/// Repetitions of each of two twins, below which a difference of rates may be noise.
const REPETITIONS_MIN: usize = 3;

const ALL: &[Assumption] = &[
    Assumption {
        sentence: "`retries=2147483647` retries for ever",
        fact: "delivery.timeout.ms (librdkafka: message.timeout.ms) ends the attempts",
        source: "KIP-91",
        command: "ackproof run outage-beyond-delivery-timeout",
        answer: retries_for_ever,
    },
    Assumption {
        sentence: "Five requests in flight keep the order of sending, without idempotence",
        fact: "a batch that is sent again comes behind those that followed it",
        source: "Kafka documentation, producer configs, max.in.flight.requests.per.connection",
        command: "ackproof run in-flight-5-no-idempotence",
        answer: five_in_flight,
    },
    Assumption {
        sentence: "A consumer resumes at its committed offset + 1",
        fact: "the committed offset is the next to be read",
        source: "KafkaConsumer, Offsets and Consumer Position",
        command: "ackproof run consumer-restart",
        answer: behind_the_committed_offset,
    },
    Assumption {
        sentence: "Manual commits after processing are exactly-once consumption",
        fact: "what was processed and not yet committed is processed again",
        source: "Kafka documentation, Design, Message Delivery Semantics",
        command: "ackproof run consumer-kill --repeat 5",
        answer: manual_commits,
    },
    Assumption {
        sentence: "A paused broker is a network partition",
        fact: "its connections stay open, and it answers what waits in them when it continues",
        source: "POSIX, SIGSTOP",
        command: "ackproof run broker-pause network-partition",
        answer: pause_as_partition,
    },
    Assumption {
        sentence: "With `min.insync.replicas=1` every acknowledged record is durable",
        fact: "one copy is enough for acks=all, and it is lost with its disk",
        source: "Kafka documentation, topic configs, min.insync.replicas",
        command: "ackproof run min-isr-1-last-replica-lost disk-loss",
        answer: one_in_sync_replica,
    },
    Assumption {
        sentence: "Idempotence removes duplicates within a producer's session",
        fact: "the broker drops batches of a sequence that it has",
        source: "KIP-98",
        command: "ackproof run answer-lost-idempotence",
        answer: idempotence,
    },
    Assumption {
        sentence: "Idempotence costs 5 % of a producer's throughput",
        fact: "a sequence number in each batch, and no request more",
        source: "KIP-98",
        command: COSTS,
        answer: |run| cost(run, "enable.idempotence", 5),
    },
    Assumption {
        sentence: "Exactly once costs 30 % of throughput",
        fact: "each transaction writes markers and waits for them: its size decides",
        source: "KIP-98",
        command: COSTS,
        answer: |run| cost(run, "transactions", 30),
    },
    Assumption {
        sentence: "Replication factor 3 with `min.insync.replicas=2` tolerates one broker's failure",
        fact: "an acknowledged record has two copies at least",
        source: "Kafka documentation, topic configs, min.insync.replicas",
        command: "ackproof run recommended-leader-kill",
        answer: one_failure,
    },
];

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(3, "Common assumptions");
    document.paragraph(
        "What reports on delivery guarantees commonly take for granted, and the answer of this \
         run's scenarios.",
    );
    let mut table = Table::new(["Assumption", "This run", "Because", "Documented"]);
    for of in ALL {
        let answer = (of.answer)(run);
        let (Answer::Confirmed(because) | Answer::Refuted(because) | Answer::NotTested(because)) =
            &answer;
        let mut because = because.clone();
        if matches!(answer, Answer::NotTested(_)) {
            if !because.is_empty() {
                because.push("; ");
            }
            because.push("tested by ");
            because.push(code(of.command));
        }
        table.row([
            sentence(of.sentence),
            text![strong(&answer)],
            because,
            text![of.fact, " (", source(of.source), ")"],
        ]);
    }
    document.table(table);
}

/// What stands in backquotes is exactly as it is typed.
fn sentence(words: &str) -> Text {
    let parts = words.split('`').enumerate();
    let mut sentence = Text::default();
    for (at, part) in parts {
        if at % 2 == 1 {
            sentence.push(code(part));
        } else {
            sentence.push(part);
        }
    }
    sentence
}

/// The answer where a claim says the same: one violation refutes it, and it is confirmed by
/// scenarios that were made for the claim, and hold it. That it was merely not contradicted
/// while something else was tested confirms nothing.
fn by_claim(
    run: &Run<'_>,
    claim: Claim,
    tests_it: impl Fn(&Test<'_>, &Scenario) -> bool,
) -> Answer {
    let (mut against, mut for_it, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for test in &run.tests {
        let guarantees = test.guarantees(claim);
        let fits = test
            .scenario
            .is_some_and(|scenario| tests_it(test, scenario));
        let Some((_, first)) = guarantees.first().filter(|_| fits) else {
            continue;
        };
        let tally = test.claim_tally(claim);
        let told = |one: &str| text![link_to(test.name), format!(": {claim} {tally}, {one}")];
        let is_violated = |word: Word| matches!(word, Word::Violated | Word::ViolatedAsExpected);
        let violated = guarantees
            .iter()
            .find(|(_, one)| is_violated(Word::of(one)));
        if let Some((_, one)) = violated {
            against.push(told(&one.reason));
        } else if tally.is_held() && first.level != Level::Observed {
            for_it.push(told(&first.reason));
        } else {
            open.push(told(&first.reason));
        }
    }
    let one = |all: Vec<Text>| {
        let more = all.len().saturating_sub(1);
        let first = all.into_iter().next().unwrap_or_default();
        match more {
            0 => first,
            more => text![first, format!(", and {more} more")],
        }
    };
    if !against.is_empty() {
        Answer::Refuted(one(against))
    } else if !for_it.is_empty() {
        Answer::Confirmed(one(for_it))
    } else {
        Answer::NotTested(one(open))
    }
}

/// The value in force by the plan: set, or the client's default.
fn in_force(kind: ClientKind, client: &ClientSpec, set: &Config, key: &str) -> Option<String> {
    let default = || {
        let mut open = unset(kind, client, set);
        open.find(|it| it.key == key).map(|it| it.value.to_owned())
    };
    set.get(key).cloned().or_else(default)
}

fn of_producer(producer: &Producer, key: &str) -> Option<String> {
    in_force(
        ClientKind::Producer,
        &producer.client,
        &producer.config,
        key,
    )
}

fn every_producer(scenario: &Scenario, key: &str, value: &str) -> bool {
    let is = |producer| of_producer(producer, key).is_some_and(|it| it == value);
    !scenario.producers.is_empty() && scenario.producers.iter().all(is)
}

/// Requests were sent again.
fn has_retried(test: &Test<'_>) -> bool {
    test.spread(|m| m.retries).max() > Some(0)
}

fn retries_for_ever(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::AllAcknowledged, |_, scenario| {
        let faults = scenario.faults.iter();
        let holding = faults.filter(|it| it.kind.definition().breaks.holds_up_producers());
        let outage_ms = holding
            .filter_map(|it| it.kind.parameters().lasts_ms())
            .max();
        let outlasted = |producer: &Producer| {
            let limit_ms: u64 = of_producer(producer, "delivery.timeout.ms")?.parse().ok()?;
            Some(outage_ms? > limit_ms)
        };
        let producers = scenario.producers.iter();
        every_producer(scenario, "retries", "2147483647")
            && producers
                .map(outlasted)
                .all(|it: Option<bool>| it == Some(true))
    })
}

fn five_in_flight(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::Ordered, |test, scenario| {
        has_retried(test)
            && every_producer(scenario, "max.in.flight.requests.per.connection", "5")
            && every_producer(scenario, "enable.idempotence", "false")
    })
}

/// A group that resumed behind its committed offset would have passed over one record in each
/// partition.
fn behind_the_committed_offset(run: &Run<'_>) -> Answer {
    let restarts = |scenario: &Scenario| {
        let mut faults = scenario.faults.iter().map(|fault| &fault.kind);
        let keeps = |kind: &FaultKind| match kind {
            FaultKind::ConsumerRestart(it) => it.offsets == Offsets::Kept,
            _ => false,
        };
        !scenario.faults.is_empty()
            && faults.all(keeps)
            && scenario
                .groups
                .iter()
                .all(|group| group.commit == Commit::After)
            && scenario.transforms.is_empty()
    };
    match by_claim(run, Claim::NoGroupGap, |_, scenario| restarts(scenario)) {
        // It is the opposite of the claim.
        Answer::Confirmed(held) => Answer::Refuted(held),
        Answer::Refuted(violated) => {
            let tests = run.ran(restarts).into_iter();
            let one_each = |test: &Test<'_>| {
                let partitions: i32 = test
                    .scenario
                    .iter()
                    .flat_map(|it| &it.topics)
                    .map(|topic| topic.partitions)
                    .sum();
                let at_most = u64::from(partitions.unsigned_abs());
                test.found(Anomaly::GroupGap).max() <= Some(at_most)
            };
            if tests.into_iter().all(one_each) {
                Answer::Confirmed(violated)
            } else {
                Answer::NotTested(text![violated, ": more than a record of each partition"])
            }
        }
        open @ Answer::NotTested(_) => open,
    }
}

fn manual_commits(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::NothingReprocessed, |_, scenario| {
        let kills = |kind: &FaultKind| match kind {
            FaultKind::ConsumerRestart(it) => it.signal == EndSignal::Kill,
            kind => kind
                .definition()
                .leads_to
                .contains(&Consequence::MemberReplaced),
        };
        scenario.faults.iter().any(|fault| kills(&fault.kind))
            && scenario
                .groups
                .iter()
                .all(|group| group.commit == Commit::After)
            && scenario.transforms.is_empty()
    })
}

/// A producer tells the two apart by what it has to send again.
fn pause_as_partition(run: &Run<'_>) -> Answer {
    let one = |freezes: bool| {
        let tests = run.ran(|scenario| {
            scenario.leads_to(Consequence::BrokersUnreachable)
                && scenario.leads_to(Consequence::BrokersFreeze) == freezes
                && scenario.faults.len() == 1
        });
        let landed = tests.into_iter().map(Test::where_faults_landed);
        let known = landed.filter_map(|test| {
            let retries = test.spread(|m| m.retries).max()?;
            Some((test, retries))
        });
        known.into_iter().next()
    };
    let (Some((pause, paused)), Some((cut, cut_off))) = (one(true), one(false)) else {
        return Answer::NotTested(Text::default());
    };
    let because = text![
        "requests sent again: ",
        number(paused),
        " in ",
        link_to(pause.name),
        ", ",
        number(cut_off),
        " in ",
        link_to(cut.name)
    ];
    match (paused, cut_off) {
        (0, 1..) => Answer::Refuted(because),
        (1.., 1..) => Answer::Confirmed(because),
        (_, 0) => Answer::NotTested(because),
    }
}

fn one_in_sync_replica(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::NoLoss, |_, scenario| {
        let is_lost = [
            Consequence::BrokerLost,
            Consequence::DiskLost,
            Consequence::PowerLost,
        ];
        let with_one = scenario.topics.iter().all(|topic| {
            let set = |key: &str| topic.config.get(key).map(String::as_str);
            // What is forced to disk at once is durable by that.
            set("min.insync.replicas").is_none_or(|value| value == "1")
                && set("flush.messages").is_none()
                && set("flush.ms").is_none()
        });
        !scenario.topics.is_empty()
            && with_one
            && every_producer(scenario, "acks", "all")
            && !scenario.topology.config.contains_key("min.insync.replicas")
            && is_lost.iter().any(|what| scenario.leads_to(*what))
    })
}

fn idempotence(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::NoDuplicates, |test, scenario| {
        has_retried(test)
            && scenario.transforms.is_empty()
            && every_producer(scenario, "enable.idempotence", "true")
    })
}

fn one_failure(run: &Run<'_>) -> Answer {
    by_claim(run, Claim::NoLoss, |_, scenario| {
        let ends = [
            Consequence::BrokersEnd,
            Consequence::BrokerLost,
            Consequence::DiskLost,
        ];
        let [fault] = scenario.faults.as_slice() else {
            return false;
        };
        let leads_to = fault.kind.definition().leads_to;
        !scenario.topics.is_empty()
            && scenario.topics.iter().all(|topic| {
                let value = topic.config.get("min.insync.replicas");
                topic.replication_factor == 3 && value.is_some_and(|value| value == "2")
            })
            && every_producer(scenario, "acks", "all")
            && ends.iter().any(|what| leads_to.contains(what))
            && !leads_to.contains(&Consequence::PowerLost)
    })
}

/// A cost is of the size that is assumed if it is between half of it and twice as much. It is
/// measured by twins without a fault, whose clients and not their pace set the rate.
fn cost(run: &Run<'_>, key: &str, assumed_percent: u64) -> Answer {
    for twins in twins::of(run).into_iter().filter(|it| it.key == key) {
        let sides = [twins.one, twins.other].into_iter().zip(&twins.values);
        let of = |value: &str| {
            let mut sides = sides.clone();
            let (test, _) = sides.find(|(_, it)| it.as_deref() == Some(value))?;
            Some((test, median_rate_per_s(run, test)?))
        };
        let (Some((with, slower)), Some((without, faster))) = (of("true"), of("false")) else {
            continue;
        };
        let because = text![
            format!("median of {} records a second in ", separated(slower)),
            link_to(with.name),
            format!(", of {} in ", separated(faster)),
            link_to(without.name),
        ];
        let lost = faster.saturating_sub(slower) * 100;
        let is_of_that_size =
            lost * 2 >= assumed_percent * faster && lost <= 2 * assumed_percent * faster;
        return if is_of_that_size {
            Answer::Confirmed(because)
        } else {
            Answer::Refuted(because)
        };
    }
    Answer::NotTested(Text::default())
}

/// The acknowledged records of a second, from the first to the last; none where the pace set
/// it, or where too few repetitions tell.
fn median_rate_per_s(run: &Run<'_>, test: &Test<'_>) -> Option<u64> {
    let scenario = test.scenario.filter(|it| it.faults.is_empty())?;
    let producers = scenario.producers.iter();
    let paced_ms = producers.map(|it| it.pace().lasts_ms(it.records));
    let paced_ms = paced_ms.max()?;
    let rates = test.planned.iter().filter_map(|planned| {
        let course = run.courses.get(&planned.folder())?;
        let mut series = course.series.iter();
        let values = &series.find(|it| it.of == Quantity::Acknowledged)?.values;
        let first = values.iter().position(|value| *value > 0)?;
        let last = values.iter().rposition(|value| *value > 0)?;
        let took_ms = (last - first + 1) as u64 * course.interval_ms;
        let is_free = took_ms > 2 * paced_ms;
        is_free.then(|| values.iter().sum::<u64>() * 1000 / took_ms.max(1))
    });
    let mut rates: Vec<u64> = rates.collect();
    rates.sort_unstable();
    rates
        .get(rates.len() / 2)
        .copied()
        .filter(|_| rates.len() >= REPETITIONS_MIN)
}
