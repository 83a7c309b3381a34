//! Histories made by hand, with what must be measured in them; and the plans of all
//! benchmarks.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::convert::Infallible;

use bench::benchmark::{Kind, PlannedRun, Scope, own, plan};
use bench::judge;
use bench::load::{Interval, Measured, Percentiles, Section, SectionSpec, Source, measure};
use bench::performance::{Captured, RunResult};
use bench::price::{PriceRow, table};
use bench::resources::{ProcessUse, Used};
use model::event::{Body, Content, Event, Outcome};
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, RunId,
    Sequence, TopicIx,
};
use model::plan::ScenarioPlan;
use model::scenario::parse;
use model::verdict::Verdict;

const START: u64 = 2_000_000;

fn place() -> PartitionRef {
    PartitionRef {
        topic: TopicIx::new(0),
        partition: PartitionIndex::new(0),
    }
}

fn record(sequence: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(0),
        sequence: Sequence::new(sequence),
    }
}

fn at(us: u64, body: Body) -> Event {
    Event {
        at: Micros::new(us),
        body,
    }
}

fn sent(us: u64, sequence: u64) -> Event {
    let body = Body::SendInvoked {
        record: record(sequence),
        to: place(),
    };
    at(us, body)
}

fn acknowledged(us: u64, sequence: u64) -> Event {
    let outcome = Outcome::Acknowledged {
        at: place(),
        offset: Offset::new(0),
    };
    let body = Body::SendCompleted {
        record: record(sequence),
        outcome,
    };
    at(us, body)
}

fn processed(us: u64, sequence: u64) -> Event {
    let body = Body::Processed {
        member: MemberIx::new(0),
        from: place(),
        offset: Offset::new(0),
        content: Content::Ours(record(sequence)),
    };
    at(us, body)
}

/// A producer of 100 records a second, and a group.
fn steady() -> ScenarioPlan {
    let text = "name = \"s\"\ntitle = \"S\"\n[[topic]]\nname = \"t\"\npartitions = 1\n\
        replication_factor = 1\n[[producer]]\ntopic = \"t\"\nrecords = 10\nrecords_per_s = 100\n\
        record_bytes = 200\n[[group]]\nname = \"g\"\ntopic = \"t\"\nrecords_per_s = 1000\n\
        commit_every_records = 10\n[[guarantee]]\nclaim = \"no-loss\"\n";
    ScenarioPlan::new(parse("s", text).unwrap(), 1, RunId::new(1), 1)
}

fn measured(specs: &[SectionSpec], events: &[Event]) -> Measured {
    let plan = steady();
    let read = || Ok::<_, Infallible>(events.iter().cloned().map(Ok));
    measure(&plan, specs, read).unwrap()
}

fn whole() -> SectionSpec {
    SectionSpec {
        name: "measured".to_owned(),
        source: Source::Producer(0),
        first: 0,
        end: 10,
    }
}

#[test]
fn latency_counts_from_the_moment_at_which_a_record_was_due() {
    let mut events = vec![at(
        1,
        Body::MemberStarted {
            member: MemberIx::new(0),
            group: GroupIx::new(0),
        },
    )];
    // The generator stands still for 50 ms: records 3 to 7 are handed over together.
    for sequence in 0..10 {
        let due = START + sequence * 10_000;
        let handed = if (3..8).contains(&sequence) {
            START + 80_000
        } else {
            due
        };
        events.push(sent(handed, sequence));
        events.push(acknowledged(handed + 1000, sequence));
        events.push(processed(handed + 3000, sequence));
    }
    let of = measured(&[whole()], &events);
    let section = &of.sections[0];
    assert_eq!(
        (section.sent, section.acknowledged, section.processed),
        (10, 10, 10)
    );
    assert_eq!(section.lateness.unwrap().max_us, 50_000);
    // 51 ms, which from the sending would be 1 ms.
    assert_eq!(section.latency.unwrap().max_us, 51_000);
    assert_eq!(section.latency.unwrap().p50_us.div_ceil(1000), 1);
    assert_eq!(section.end_to_end.unwrap().max_us, 53_000);
    assert_eq!(section.began_us, START);
    assert_eq!(section.offered_per_s, 100);
    // 10 records in 91 ms.
    assert_eq!(section.acknowledged_per_s, 109);
    assert_eq!(of.first_acknowledged, Some(Micros::new(START + 1000)));
    assert_eq!(section.course.len(), 1);
    assert_eq!(section.course[0].acknowledged, 10);
}

#[test]
fn sections_are_told_apart_and_what_is_in_none_is_left_out() {
    let events: Vec<Event> = (0..10)
        .flat_map(|it| {
            let due = START + it * 10_000;
            let took = if it < 5 { 1000 } else { 9000 };
            [sent(due, it), acknowledged(due + took, it)]
        })
        .collect();
    let of = |name: &str, first, end| SectionSpec {
        name: name.to_owned(),
        first,
        end,
        ..whole()
    };
    let measured = measured(&[of("late", 5, 9), of("early", 1, 5)], &events);
    let counts: Vec<_> = measured
        .sections
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.acknowledged,
                it.latency.unwrap().max_us,
            )
        })
        .collect();
    assert_eq!(counts, [("late", 4, 9000), ("early", 4, 1000)]);
}

fn run(sections: Vec<Section>, checked: Verdict) -> RunResult {
    RunResult {
        scenario: "baseline".to_owned(),
        checked,
        checked_because: "it was".to_owned(),
        record_bytes: 512,
        compressible_percent: 50,
        sections,
        first_acknowledged_ms: Some(3000),
        first_processed_ms: None,
        captured: None,
        used: Used {
            samples: 10,
            ..Used::default()
        },
        compression_hundredths: None,
    }
}

/// 100 ms of 100 records a second; each acknowledged after so long, handed over so late.
fn load(late_us: u64, took_us: u64, records: u64) -> Section {
    let events: Vec<Event> = (0..records)
        .flat_map(|it| {
            let due = START + it * 10_000;
            let handed = due + if it == 0 { 0 } else { late_us };
            [sent(handed, it), acknowledged(due + took_us, it)]
        })
        .collect();
    measured(&[whole()], &events).sections.remove(0)
}

fn judged(section: Section, checked: Verdict) -> Verdict {
    let run = run(vec![section], checked);
    judge(Kind::Baseline, Scope::Full, "baseline", "B", vec![run], &[]).verdict
}

#[test]
fn a_benchmark_is_held_only_where_everything_about_it_is() {
    assert_eq!(judged(load(0, 1000, 10), Verdict::Held), Verdict::Held);
    // What was lost, or could not be told, is not made good by speed.
    assert_eq!(
        judged(load(0, 1000, 10), Verdict::Violated),
        Verdict::Violated
    );
    let unknown = judged(load(0, 1000, 10), Verdict::Inconclusive);
    assert_eq!(unknown, Verdict::Inconclusive);
    // Too slow, records that were not acknowledged, and a generator that fell behind.
    assert_eq!(
        judged(load(0, 150_000, 10), Verdict::Held),
        Verdict::Violated
    );
    assert_eq!(judged(load(0, 1000, 8), Verdict::Held), Verdict::Violated);
    assert_eq!(
        judged(load(30_000, 31_000, 10), Verdict::Held),
        Verdict::Inconclusive
    );
    // Nothing was measured.
    assert_eq!(
        judged(Section::default(), Verdict::Held),
        Verdict::Inconclusive
    );
}

#[test]
fn a_limit_that_is_missed_on_a_busy_machine_says_nothing() {
    let mut busy = run(vec![load(0, 150_000, 10)], Verdict::Held);
    busy.used.others_percent = 40;
    let result = judge(
        Kind::Baseline,
        Scope::Full,
        "baseline",
        "B",
        vec![busy],
        &[],
    );
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert!(result.marks[0].contains("40 %"), "{:?}", result.marks);
    // One that is kept is kept all the same.
    let mut kept = run(vec![load(0, 1000, 10)], Verdict::Held);
    kept.used.others_percent = 40;
    let result = judge(
        Kind::Baseline,
        Scope::Full,
        "baseline",
        "B",
        vec![kept],
        &[],
    );
    assert_eq!(result.verdict, Verdict::Held);
}

#[test]
fn a_start_up_that_was_not_measured_is_no_start_up() {
    let result = judge(
        Kind::Startup,
        Scope::Quick,
        "startup",
        "S",
        vec![run(Vec::new(), Verdict::Held)],
        &[],
    );
    assert_eq!(result.verdict, Verdict::Inconclusive);
}

fn all_at(us: u64) -> Percentiles {
    Percentiles {
        count: 1,
        mean_us: us,
        p50_us: us,
        p90_us: us,
        p95_us: us,
        p99_us: us,
        p999_us: us,
        max_us: us,
    }
}

/// A section of so many seconds whose p95 is this in the first half, and that in the second.
fn course(seconds: u64, first_us: u64, last_us: u64) -> Section {
    let course = (0..seconds).map(|second| Interval {
        from_ms: second * 1000,
        due: 1,
        acknowledged: 1,
        latency: Some(all_at(if second < seconds / 2 {
            first_us
        } else {
            last_us
        })),
    });
    Section {
        name: "measured".to_owned(),
        course: course.collect(),
        ..Section::default()
    }
}

/// The same seconds of a process's resident memory, in MiB.
fn resident(seconds: u64, first: u64, last: u64) -> Vec<ProcessUse> {
    let mib = |second| if second < seconds / 2 { first } else { last } << 20;
    vec![ProcessUse {
        name: "broker 1".to_owned(),
        cpu_ms: 0,
        resident_max_bytes: 0,
        resident: (0..seconds).map(|it| (it * 1000, mib(it))).collect(),
    }]
}

#[test]
fn each_criterion_is_missed_right_beyond_its_limit() {
    let base = |sections: Vec<Section>| run(sections, Verdict::Held);
    let named = |name: &str, of: Section| Section {
        name: name.to_owned(),
        ..of
    };
    let slow = |p95_us: u64| {
        base(vec![Section {
            latency: Some(all_at(p95_us)),
            ..course(90, 1, 1)
        }])
    };
    let drifting = |of: Section, processes: Vec<ProcessUse>| {
        let mut run = base(vec![of]);
        run.used.processes = processes;
        run
    };
    let snapshot = |rows: u64, took_ms: u64, rows_per_s: u64, memory: u64| {
        let mut run = base(Vec::new());
        run.captured = Some(Captured {
            rows,
            events: rows,
            took_ms: Some(took_ms),
            rows_per_s: Some(rows_per_s),
            course: Vec::new(),
        });
        run.used.resident_max_bytes = memory;
        run
    };
    let visible = |p95_us: u64| {
        let paced = Section {
            planned: 10,
            sent: 10,
            processed: 10,
            end_to_end: Some(all_at(p95_us)),
            ..Section::default()
        };
        base(vec![named("paced", paced)])
    };
    let usable = |ms: u64| {
        let mut run = base(Vec::new());
        run.first_processed_ms = Some(ms);
        run
    };
    let flat = || resident(90, 400, 400);
    let (held, violated) = (Verdict::Held, Verdict::Violated);
    let unknown = Verdict::Inconclusive;
    for (kind, run, sentence, verdict) in [
        (Kind::Baseline, slow(99_999), "p95 of latency below", held),
        (
            Kind::Baseline,
            slow(100_000),
            "p95 of latency below",
            violated,
        ),
        (
            Kind::Sustained,
            drifting(course(90, 20_000, 29_000), flat()),
            "no drift of latency",
            held,
        ),
        (
            Kind::Sustained,
            drifting(course(90, 20_000, 31_000), flat()),
            "no drift of latency",
            violated,
        ),
        (
            Kind::Sustained,
            drifting(course(90, 1, 1), resident(90, 400, 470)),
            "no drift of memory",
            held,
        ),
        (
            Kind::Sustained,
            drifting(course(90, 1, 1), resident(90, 400, 490)),
            "no drift of memory",
            violated,
        ),
        // A virtual machine takes its heap little by little.
        (
            Kind::Sustained,
            drifting(course(30, 1, 1), resident(30, 400, 490)),
            "no drift of memory",
            unknown,
        ),
        (
            Kind::Snapshot,
            snapshot(895_837, 599_999, 1, 1),
            "895,837 rows in less",
            held,
        ),
        (
            Kind::Snapshot,
            snapshot(895_837, 600_000, 1, 1),
            "895,837 rows in less",
            violated,
        ),
        (
            Kind::Snapshot,
            snapshot(20_000, 1, 1494, 1),
            "as many rows a second",
            held,
        ),
        (
            Kind::Snapshot,
            snapshot(20_000, 1, 1493, 1),
            "as many rows a second",
            violated,
        ),
        (
            Kind::Snapshot,
            snapshot(1, 1, 1, (2 << 30) - 1),
            "less than 2 GiB",
            held,
        ),
        (
            Kind::Snapshot,
            snapshot(1, 1, 1, 2 << 30),
            "less than 2 GiB",
            violated,
        ),
        (
            Kind::Streaming,
            visible(5_000_000),
            "a committed change",
            held,
        ),
        (
            Kind::Streaming,
            visible(5_000_001),
            "a committed change",
            violated,
        ),
        (
            Kind::Startup,
            usable(10_000),
            "baseline: first processed",
            held,
        ),
        (
            Kind::Startup,
            usable(10_001),
            "baseline: first processed",
            violated,
        ),
    ] {
        let result = judge(kind, Scope::Full, "b", "B", vec![run], &[]);
        let mut criteria = result.criteria.iter();
        let criterion = criteria.find(|it| it.sentence.starts_with(sentence));
        let criterion = criterion.unwrap_or_else(|| panic!("{sentence}: {:?}", result.criteria));
        assert_eq!(criterion.verdict, verdict, "{criterion:?}");
        assert!(result.verdict >= verdict, "{criterion:?}");
    }
}

fn all(scope: Scope) -> Vec<PlannedRun> {
    let kinds = Kind::ALL.into_iter();
    kinds.flat_map(|kind| plan(kind, scope).unwrap()).collect()
}

#[test]
fn every_benchmark_is_a_scenario_whose_sections_lie_within_its_records() {
    for scope in [Scope::Quick, Scope::Full] {
        let mut names = BTreeSet::new();
        for run in all(scope) {
            let name = run.scenario.name.clone();
            assert!(names.insert(name.clone()), "{name} comes twice");
            let rows: u64 = run.scenario.writes.iter().map(|it| it.rows).sum();
            let mut ends = std::collections::BTreeMap::new();
            let mut sections = run.sections.clone();
            sections.sort_by_key(|it| (it.source, it.first));
            for section in sections {
                let end = match section.source {
                    Source::Producer(at) => run.scenario.producers[at as usize].records,
                    Source::Writer => rows,
                };
                assert!(section.end <= end, "{name}: {section:?} of {end}");
                let before = ends.insert(section.source, section.end).unwrap_or(0);
                assert!(
                    before <= section.first && section.first < section.end,
                    "{section:?}"
                );
            }
        }
    }
}

/// By their own schedules, without what brokers need to start.
#[test]
fn quick_loads_are_short() {
    let runs = all(Scope::Quick);
    let ms = runs
        .iter()
        .map(|it| ScenarioPlan::new(it.scenario.clone(), 1, RunId::new(1), 1).schedule_ms());
    let ms: u64 = ms.sum();
    assert!(ms < 110_000, "{ms}");
}

#[test]
fn turns_of_variants_never_overlap_and_their_order_is_reversed_in_each_round() {
    for run in all(Scope::Full).into_iter().chain(all(Scope::Quick)) {
        let Some(price) = &run.price else { continue };
        let mut spans: Vec<(u64, u64)> = Vec::new();
        let mut order: Vec<(usize, usize)> = Vec::new();
        for slot in &price.slots {
            let of = &run.sections[slot.free];
            let Source::Producer(at) = of.source else {
                panic!("{of:?}")
            };
            let moments = run.scenario.producers[at as usize].pace().moments();
            let first = slot.fixed.map_or(of.first, |it| run.sections[it].first);
            spans.push((
                moments.due_at(first),
                moments.due_at(of.first) + slot.free_us,
            ));
            order.push((slot.round, slot.variant));
        }
        for pair in spans.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{}: {pair:?}", run.scenario.name);
        }
        let of_round = |round| -> Vec<usize> {
            let slots = order.iter().filter(|it| it.0 == round);
            slots.map(|it| it.1).collect()
        };
        let mut reversed = of_round(1);
        reversed.reverse();
        assert_eq!(of_round(0), reversed, "{}", run.scenario.name);
    }
}

#[test]
fn a_price_is_the_ratio_to_the_base_of_the_same_round() {
    let run = plan(Kind::Price, Scope::Quick).unwrap().remove(0);
    let price = run.price.unwrap();
    let mut sections = vec![Section::default(); run.sections.len()];
    for slot in &price.slots {
        let spec = &run.sections[slot.free];
        // Idempotence takes a tenth; the machine gets slower from round to round.
        let rate =
            (50_000 - 5000 * slot.round as u64) * if slot.variant == 1 { 9 } else { 10 } / 10;
        sections[slot.free] = Section {
            planned: spec.end - spec.first,
            acknowledged: spec.end - spec.first,
            acknowledged_per_s: rate,
            began_us: 1000,
            ended_us: 1000 + slot.free_us,
            ..Section::default()
        };
    }
    let rows = table(&price, &sections);
    let row =
        |rows: &[PriceRow], name: &str| rows.iter().find(|it| it.variant == name).unwrap().clone();
    let ratio = row(&rows, "idempotent").rate.unwrap();
    assert!(
        (ratio.mean - 0.9).abs() < 1e-3 && ratio.high < 0.91,
        "{ratio:?}"
    );
    assert_eq!(row(&rows, "acks-all").rate, None);

    // A turn that is not over when the next begins is left out.
    let slot = price.slots.iter().find(|it| it.variant == 1).unwrap();
    sections[slot.free].ended_us += 1;
    let rows = table(&price, &sections);
    assert_eq!(row(&rows, "idempotent").spilled, 1);
    assert_eq!(
        row(&rows, "idempotent").rate.unwrap().rounds,
        ratio.rounds - 1
    );
}

#[test]
fn a_scenario_of_ones_own_has_a_section_for_each_producer() {
    let run = own(steady().scenario);
    assert_eq!(run.sections.len(), 1);
    assert_eq!((run.sections[0].first, run.sections[0].end), (0, 10));
}

fn performance(section: Section, checked: Verdict) -> bench::performance::Performance {
    let result = judge(
        Kind::Baseline,
        Scope::Full,
        "baseline",
        "B",
        vec![run(vec![section], checked)],
        &[],
    );
    bench::performance::Performance {
        schema: bench::performance::SCHEMA.to_owned(),
        run: "1".to_owned(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        command: vec!["ackproof".to_owned(), "bench".to_owned()],
        scope: Scope::Full,
        versions: std::collections::BTreeMap::new(),
        machine: model::plan::Machine::default(),
        before: bench::resources::Conditions::default(),
        after: bench::resources::Conditions::default(),
        verdict: result.verdict,
        benchmarks: vec![result],
        prices: Vec::new(),
        claims: Vec::new(),
        advice: Vec::new(),
    }
}

#[test]
fn two_runs_differ_by_more_than_noise_only() {
    let usual = performance(load(0, 1000, 10), Verdict::Held);
    let noisy = performance(load(0, 3000, 10), Verdict::Held);
    let slow = performance(load(0, 90_000, 10), Verdict::Held);
    let slower = performance(load(0, 99_000, 10), Verdict::Held);
    let lost = performance(load(0, 1000, 10), Verdict::Violated);
    let diff = |before, after| bench::PerformanceDiff::new(before, after);
    assert!(!diff(&usual, &noisy).has_regression());
    assert!(diff(&usual, &noisy).text().contains("nothing differs"));
    assert!(diff(&usual, &slow).has_regression());
    assert!(!diff(&slow, &usual).has_regression());
    assert!(diff(&slow, &usual).text().contains("improvement"));
    let worse = diff(&usual, &lost);
    assert!(worse.has_regression());
    assert!(
        worse.markdown().contains("VIOLATED"),
        "{}",
        worse.markdown()
    );
    // Between machines that differ only verdicts are compared.
    assert!(!diff(&slow, &slower).has_regression());
    let fair = performance(load(0, 20_000, 10), Verdict::Held);
    assert!(diff(&fair, &slow).has_regression());
    let mut elsewhere = slow.clone();
    elsewhere.machine.cores = Some(64);
    assert!(!diff(&fair, &elsewhere).has_regression());
}

#[test]
fn the_report_says_what_was_measured_and_the_page_draws_it() {
    let mut shown = performance(load(0, 1000, 10), Verdict::Violated);
    shown.benchmarks[0].marks.push("quick <b>".to_owned());
    let report = bench::performance_markdown(&shown);
    assert!(
        report.starts_with("# Kafka performance: VIOLATED\n"),
        "{report}"
    );
    assert!(
        report.contains("| p95 of latency below 100 ms | HELD | 1.00 ms |"),
        "{report}"
    );
    let page = bench::performance_html(&shown);
    assert!(page.contains("quick &lt;b&gt;") && !page.contains("quick <b>"));
}
