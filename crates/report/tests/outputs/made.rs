//! Plans and verdicts made by hand. The figures are of the size that real runs
//! have.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::claim::Level;
use model::event::{Evidence, Found};
use model::ids::RunId;
use model::plan::{Circumstances, Machine, RunPlan, ScenarioPlan, Timing};
use model::scenario::{Config, FaultKind, Scenario, embedded, parse};
use model::verdict::{
    Calibration, CaptureMeasurements, Counts, ErrorMeaning, Example, ExampleOperation,
    FaultVerdict, Finding, GroupMeasurements, GuaranteeVerdict, Hop, Latency, LostAt, Measurements,
    NamedRange, ReportedError, RunVerdict, SCHEMA, ScenarioVerdict, StillReading, Throttling,
    Verdict,
};

pub(super) fn configurations() -> BTreeMap<String, Config> {
    BTreeMap::from([(
        String::from("broker-restart: broker 1"),
        Config::from([
            (String::from("min.insync.replicas"), String::from("1")),
            (
                String::from("log.flush.interval.messages"),
                String::from("9223372036854775807"),
            ),
            (String::from("num.io.threads"), String::from("8")),
        ]),
    )])
}

fn circumstances(names: &[&str]) -> Circumstances {
    let words = |all: &[&str]| {
        all.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut command = words(&["ackproof", "run"]);
    command.extend(words(names));
    command.extend(words(&["--seed", "41", "--kafka", "4.3.1"]));
    Circumstances {
        started_at: String::from("2026-11-29T22:10:00Z"),
        duration_ms: Some(61_500),
        command,
        machine: Machine {
            cores: Some(2),
            memory_bytes: Some(8 << 30),
            os: Some(String::from("Debian GNU/Linux 13, Linux 6.12")),
        },
    }
}

pub(super) fn plan(names: &[&str], repeat: u32) -> RunPlan {
    let scenarios: Vec<Scenario> = names
        .iter()
        .map(|name| parse(name, embedded(name).unwrap()).unwrap())
        .collect();
    plan_of(&scenarios, repeat)
}

/// The plan of any scenarios.
pub(super) fn plan_of(scenarios: &[Scenario], repeat: u32) -> RunPlan {
    let mut plan = RunPlan::new(RunId::new(0x5eed), 41, versions(), scenarios, repeat);
    let names: Vec<&str> = scenarios.iter().map(|it| it.name.as_str()).collect();
    plan.circumstances = Some(circumstances(&names));
    for (scenario, number) in plan.scenarios.iter_mut().zip(0..) {
        scenario.timing = Some(Timing {
            start_ms: 1_000 * number,
            duration_ms: 12_340,
        });
    }
    plan
}

fn versions() -> BTreeMap<String, String> {
    [
        ("kafka", "4.3.1"),
        ("debezium", "3.7.0.Final"),
        ("ackproof", "0.1.0"),
        ("java", "25"),
    ]
    .map(|(name, version)| (name.to_owned(), version.to_owned()))
    .into()
}

/// Every scenario of the plan came out as it should, with plausible figures.
pub(super) fn verdict(plan: &RunPlan) -> RunVerdict {
    RunVerdict {
        schema: SCHEMA.to_owned(),
        run: plan.run.to_string(),
        seed: plan.seed,
        versions: plan.versions.clone(),
        circumstances: plan.circumstances.clone(),
        verdict: Verdict::Held,
        scenarios: plan.scenarios.iter().map(scenario).collect(),
        skipped: plan.skipped.clone(),
    }
}

/// Judges as the run's verdict is defined: the worst, what was expected
/// counting as HELD.
pub(super) fn judged(mut verdict: RunVerdict) -> RunVerdict {
    verdict.verdict = verdict
        .scenarios
        .iter()
        .map(|one| {
            if one.as_expected {
                Verdict::Held
            } else {
                one.verdict
            }
        })
        .max()
        .unwrap_or(Verdict::Held);
    verdict
}

fn scenario(plan: &ScenarioPlan) -> ScenarioVerdict {
    let scenario = &plan.scenario;
    let shows_violation = scenario
        .guarantees
        .iter()
        .any(|guarantee| guarantee.level == Level::ExpectViolated);
    let guarantees = scenario
        .guarantees
        .iter()
        .map(|guarantee| {
            let (verdict, reason) = if guarantee.level == Level::ExpectViolated {
                (Verdict::Violated, String::from("252 lost-write"))
            } else {
                (
                    Verdict::Held,
                    format!("looked for in {} records", scenario.records()),
                )
            };
            GuaranteeVerdict {
                claim: guarantee.claim,
                level: guarantee.level,
                verdict,
                reason,
            }
        })
        .collect();
    let sent = scenario.records();
    let events: u64 = scenario.writes.iter().map(|write| write.rows).sum();
    ScenarioVerdict {
        name: scenario.name.clone(),
        repetition: plan.repetition,
        timing: plan.timing,
        stopped: None,
        verdict: if shows_violation {
            Verdict::Violated
        } else {
            Verdict::Held
        },
        as_expected: true,
        doubts: Vec::new(),
        guarantees,
        findings: if shows_violation {
            vec![lost(252)]
        } else {
            Vec::new()
        },
        counts: Counts {
            sent,
            acknowledged: sent,
            stored: if shows_violation {
                sent.saturating_sub(252)
            } else {
                sent
            },
            distinct: if shows_violation {
                sent.saturating_sub(252)
            } else {
                sent
            },
            changes: events,
            change_events: events,
            rows: events,
            ..Counts::default()
        },
        faults: scenario
            .faults
            .iter()
            .map(|fault| landed(&fault.kind))
            .collect(),
        failures: Vec::new(),
        measurements: measurements(plan),
        calibration: [Anomaly::LostWrite, Anomaly::Duplicate, Anomaly::Corrupt]
            .map(|anomaly| Calibration {
                anomaly,
                mutation: format!("a mutant with one {anomaly}"),
                found: true,
            })
            .into(),
    }
}

fn landed(kind: &FaultKind) -> FaultVerdict {
    FaultVerdict {
        kind: kind.name().to_owned(),
        landed: true,
        injected_ms: Some(3_106),
        healed_ms: Some(7_010),
        evidence: vec![
            Evidence {
                observation: String::from("the process id changed"),
                found: Found::Yes,
                detail: String::from("4711 before, 4809 after"),
            },
            Evidence {
                observation: String::from("traffic met it"),
                found: Found::Yes,
                detail: String::from("402 sends were outstanding"),
            },
        ],
        aftermath: vec![Evidence {
            observation: String::from("the broker is ready again"),
            found: Found::Yes,
            detail: String::from("3904 ms after its start"),
        }],
    }
}

fn measurements(plan: &ScenarioPlan) -> Measurements {
    let scenario = &plan.scenario;
    let sends = !scenario.producers.is_empty();
    let varied = u64::from(plan.repetition);
    let latency = |p50_us| Latency {
        count: 300,
        p50_us,
        p95_us: p50_us * 2,
        p99_us: p50_us * 3,
        max_us: p50_us * 5,
    };
    Measurements {
        silent_longest_ms: sends.then_some(4_100 + varied),
        healed_to_first_ack_ms: (sends && !scenario.faults.is_empty()).then_some(310 + varied),
        outstanding_peak: sends.then_some(402),
        retries: sends.then_some(3),
        duplicates: sends.then_some(0),
        latency_before: sends.then_some(latency(900)),
        latency_during: (sends && !scenario.faults.is_empty()).then_some(latency(2_100_000)),
        latency_after: (sends && !scenario.faults.is_empty()).then_some(latency(1_100)),
        groups: scenario
            .groups
            .iter()
            .map(|group| GroupMeasurements {
                group: group.name.clone(),
                processed: scenario.records(),
                distinct: scenario.records(),
                reprocessed: 0,
                recovery_ms: (!scenario.faults.is_empty()).then_some(790 + varied),
                outage_ms: (!scenario.faults.is_empty()).then_some(3_790 + varied),
                lag_peak: 37,
                lag_mean: 9,
            })
            .collect(),
        capture: scenario.capture.as_ref().map(|_| CaptureMeasurements {
            first_event_ms: Some(1_240),
            caught_up_ms: Some(14_300),
            duplicates: 0,
        }),
        ..Measurements::default()
    }
}

pub(super) fn lost(count: i64) -> Finding {
    Finding {
        anomaly: Anomaly::LostWrite,
        count: count.unsigned_abs(),
        ranges: vec![NamedRange {
            of: String::from("p0"),
            first: 0,
            last: count - 1,
        }],
        ranges_complete: true,
        lost_at: vec![LostAt::new(Hop::CutOff, count.unsigned_abs())],
        examples: vec![Example {
            item: String::from("p0/0 at orders-2@0"),
            operations: vec![
                operation(Some(12_034), "p0", "sends p0/0 to orders-2"),
                operation(Some(14_920), "p0", "is told that p0/0 stands at orders-2@0"),
                operation(None, "observer", "reads p0/251 at orders-2@0"),
            ],
            logs: Vec::new(),
        }],
    }
}

pub(super) fn doubled(count: u64) -> Finding {
    Finding {
        anomaly: Anomaly::Duplicate,
        count,
        ranges: vec![NamedRange {
            of: String::from("p0"),
            first: 303,
            last: 303,
        }],
        ranges_complete: true,
        lost_at: Vec::new(),
        examples: vec![Example {
            item: String::from("p0/303"),
            operations: vec![
                operation(None, "observer", "reads p0/303 at orders-0@101"),
                operation(None, "observer", "reads p0/303 at orders-0@104"),
            ],
            logs: vec![String::from("billing-member-1.log")],
        }],
    }
}

fn operation(at_us: Option<u64>, actor: &str, operation: &str) -> ExampleOperation {
    ExampleOperation {
        at_us,
        actor: actor.to_owned(),
        operation: operation.to_owned(),
    }
}

/// The last repetition of the named scenario.
pub(super) fn last<'a>(verdict: &'a mut RunVerdict, name: &str) -> &'a mut ScenarioVerdict {
    verdict
        .scenarios
        .iter_mut()
        .rev()
        .find(|one| one.name == name)
        .unwrap()
}

/// Gives one guarantee another verdict, and the scenario what follows.
pub(super) fn set(outcome: &mut ScenarioVerdict, at: usize, verdict: Verdict, reason: &str) {
    let guarantee = &mut outcome.guarantees[at];
    guarantee.verdict = verdict;
    reason.clone_into(&mut guarantee.reason);
    if guarantee.level != Level::Observed {
        outcome.verdict = verdict;
        outcome.as_expected = match guarantee.level {
            Level::ExpectViolated => verdict == Verdict::Violated,
            _ => verdict == Verdict::Held,
        };
    }
}

/// One record is lost and one doubled in the restart.
pub(super) fn violated() -> (RunPlan, RunVerdict) {
    let plan = plan(&["broker-restart"], 1);
    let mut verdict = verdict(&plan);
    let outcome = last(&mut verdict, "broker-restart");
    set(outcome, 0, Verdict::Violated, "1 lost-write");
    set(outcome, 3, Verdict::Violated, "1 duplicate");
    outcome.verdict = Verdict::Violated;
    outcome.findings = vec![lost(1), doubled(1)];
    outcome.measurements.duplicates = Some(1);
    outcome.counts.unknown = 2;
    outcome.counts.expired = 1;
    outcome.counts.compacted = 1;
    (plan, judged(verdict))
}

/// The freeze met no traffic, and one mutant was missed.
pub(super) fn doubtful() -> (RunPlan, RunVerdict) {
    let plan = plan(&["broker-pause"], 1);
    let mut verdict = verdict(&plan);
    let outcome = last(&mut verdict, "broker-pause");
    outcome.verdict = Verdict::Inconclusive;
    outcome.as_expected = false;
    outcome.doubts = vec![String::from(
        "fault 1 (broker-pause) never took effect: no send met it",
    )];
    outcome.faults[0].landed = false;
    outcome.faults[0].healed_ms = None;
    outcome.faults[0].evidence[1].found = Found::No;
    outcome.faults[0].evidence[1].detail = String::from("0 sends | 0 outstanding");
    outcome.calibration[1].found = false;
    for at in 0..outcome.guarantees.len() {
        let reason = "not put to the test";
        outcome.guarantees[at].verdict = Verdict::Inconclusive;
        reason.clone_into(&mut outcome.guarantees[at].reason);
    }
    let error = |client: &str, meaning, error: &str, reason: &str, count| ReportedError {
        client: client.to_owned(),
        meaning,
        error: error.to_owned(),
        reason: reason.to_owned(),
        count,
        first_ms: 4100,
        last_ms: 12_600,
    };
    let words = "Fetch from broker 1 failed: NOT_LEADER | retrying";
    outcome.measurements.errors = vec![
        error("p0", ErrorMeaning::Failed, "InvalidRecord", "", 120),
        error("billing", ErrorMeaning::Unable, "BadMessage", words, 3),
    ];
    outcome.measurements.throttled = vec![Throttling {
        client: String::from("billing"),
        total_ms: 9400,
    }];
    outcome.measurements.still_reading = vec![StillReading {
        group: String::from("billing"),
        remaining: 2200,
        progressed: 800,
        waited_ms: 10_000,
        estimated_ms: Some(27_500),
    }];
    (plan, judged(verdict))
}
