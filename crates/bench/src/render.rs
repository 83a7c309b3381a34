//! `performance.md` and `performance.html`. Draws no verdict of its own.

use maud::{DOCTYPE, PreEscaped, html};
use model::scenario::words::shell_words;
use model::verdict::Verdict;

use crate::answers::cost_words;
use crate::benchmark::{Kind, Scope};
use crate::chart::{self, Chart, Curve};
use crate::document::{self, Block};
use crate::performance::{BenchmarkResult, Performance, RunResult};
use crate::price::PriceRow;
use crate::shape::knee;
use crate::stats::{Ratio, median};
use crate::words::{bytes, duration_ms, hundredths, latency_us, number};

/// `performance.md`.
pub fn performance_markdown(performance: &Performance) -> String {
    document::markdown(&blocks(performance))
}

/// `performance.html`: the same with its drawings, in one file.
pub fn performance_html(performance: &Performance) -> String {
    let title = format!("{} · Kafka performance", performance.verdict);
    let blocks = blocks(performance);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="ackproof";
                title { (title) }
                style { (PreEscaped(report::page::STYLE)) (PreEscaped(chart::STYLE)) }
            }
            body { main { (document::page(&blocks)) } }
        }
    }
    .into_string()
}

fn blocks(of: &Performance) -> Vec<Block> {
    let mut all = vec![
        Block::Heading(1, format!("Kafka performance: {}", of.verdict)),
        Block::Paragraph(summary(of)),
        Block::Table(
            vec!["benchmark", "verdict", "figures"],
            of.benchmarks.iter().map(row).collect(),
        ),
        Block::Paragraph(
            "Every run was also checked for loss, duplicates and order; a benchmark whose records \
             are lost is VIOLATED, however fast it was. Latency counts from the moment at which a \
             record was due by the schedule, and not from the moment at which it was sent."
                .to_owned(),
        ),
        Block::Heading(2, "The machine".to_owned()),
        Block::List(machine(of)),
        Block::Commands(vec![shell_words(&of.command)]),
    ];
    for benchmark in &of.benchmarks {
        all.extend(benchmark_blocks(benchmark));
    }
    all.extend(prices(of));
    if !of.advice.is_empty() {
        all.push(Block::Heading(2, "What follows for settings".to_owned()));
        all.push(Block::List(of.advice.clone()));
    }
    all
}

fn summary(of: &Performance) -> String {
    let count = |verdict: Verdict| {
        of.benchmarks
            .iter()
            .filter(|it| it.verdict == verdict)
            .count()
    };
    let scope = match of.scope {
        Scope::Quick => "a quick run: every load is smaller than the benchmark's own",
        Scope::Full => "a full run",
    };
    format!(
        "{} HELD, {} VIOLATED, {} INCONCLUSIVE of {}; {scope}. Started at {}.",
        count(Verdict::Held),
        count(Verdict::Violated),
        count(Verdict::Inconclusive),
        crate::words::counted(of.benchmarks.len() as u64, "benchmark"),
        of.started_at
    )
}

fn row(of: &BenchmarkResult) -> Vec<String> {
    let figures = match of.kind {
        Kind::Price => "see the tables below".to_owned(),
        // The other steps are in its own section.
        Kind::Saturation => of
            .criteria
            .last()
            .map_or_else(String::new, |it| it.reason.clone()),
        _ => of.figures.first().cloned().unwrap_or_else(|| {
            let reasons: Vec<&str> = of.criteria.iter().map(|it| it.reason.as_str()).collect();
            reasons.join("; ")
        }),
    };
    vec![of.name.clone(), of.verdict.to_string(), figures]
}

fn machine(of: &Performance) -> Vec<String> {
    let mut items = Vec::new();
    let machine = &of.machine;
    let parts = [
        machine
            .cores
            .map(|it| crate::words::counted(it, "processor")),
        machine
            .memory_bytes
            .map(|it| format!("{} of memory", bytes(it))),
        machine.os.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        items.push(parts.join(", "));
    }
    items.push(format!("before: {}", of.before.words()));
    items.push(format!("after: {}", of.after.words()));
    let busy: Vec<&str> = of
        .benchmarks
        .iter()
        .filter(|it| it.runs.iter().any(|run| run.used.busy().is_some()))
        .map(|it| it.name.as_str())
        .collect();
    items.push(if busy.is_empty() {
        "nothing else to speak of ran beside any benchmark".to_owned()
    } else {
        format!(
            "busy with something else during {}: a limit that was missed there is INCONCLUSIVE",
            busy.join(", ")
        )
    });
    let versions = of.versions.iter().map(|(name, of)| format!("{name} {of}"));
    items.push(versions.collect::<Vec<_>>().join(", "));
    items
}

fn benchmark_blocks(of: &BenchmarkResult) -> Vec<Block> {
    let mut all = vec![
        Block::Heading(2, format!("{}: {}", of.title, of.verdict)),
        Block::Table(
            vec!["criterion", "verdict", "measured"],
            of.criteria
                .iter()
                .map(|it| {
                    vec![
                        it.sentence.clone(),
                        it.verdict.to_string(),
                        it.reason.clone(),
                    ]
                })
                .collect(),
        ),
    ];
    if !of.marks.is_empty() {
        all.push(Block::Paragraph("Before anything else:".to_owned()));
        all.push(Block::List(of.marks.clone()));
    }
    all.push(Block::List(of.figures.clone()));
    for run in &of.runs {
        all.extend(drawings(of.kind, run));
        all.push(Block::Table(
            vec!["process", "processor time", "most resident memory"],
            run.used
                .processes
                .iter()
                .map(|it| {
                    vec![
                        it.name.clone(),
                        duration_ms(it.cpu_ms),
                        bytes(it.resident_max_bytes),
                    ]
                })
                .collect(),
        ));
        all.push(Block::List(vec![used(run)]));
    }
    all
}

fn used(run: &RunResult) -> String {
    let used = &run.used;
    let mut parts = vec![
        format!(
            "{}: {} on the brokers' disks",
            run.scenario,
            bytes(used.disk_max_bytes)
        ),
        format!(
            "{} over the loopback device (requests, responses, replication, and the reading back \
             of the log)",
            bytes(used.loopback_bytes)
        ),
    ];
    if let Some(ratio) = run.compression_hundredths {
        parts.push(format!(
            "{} bytes of values for a byte of the log ({} bytes each, {} of 100 bytes of padding \
             compressible)",
            hundredths(ratio),
            number(u64::from(run.record_bytes)),
            run.compressible_percent
        ));
    }
    parts.push(format!(
        "others used {} % of the processors",
        used.others_percent
    ));
    parts.join("; ")
}

fn drawings(kind: Kind, run: &RunResult) -> Vec<Block> {
    let id = |what: &str| format!("{}-{what}", run.scenario);
    let mut all = Vec::new();
    match kind {
        Kind::Saturation => {
            let of = |value: fn(&crate::load::Section) -> Option<u64>| -> Vec<(u64, u64)> {
                let steps = run.sections.iter();
                steps
                    .filter_map(|it| Some((it.offered_per_s, value(it)?)))
                    .collect()
            };
            let knee = knee(&run.sections);
            let last = knee.last.and_then(|at| run.sections.get(at));
            let mark = last.filter(|_| knee.turn.is_some());
            let mark = mark.map(|it| (it.offered_per_s, "the knee".to_owned()));
            let chart = |id: String, title: &str, upwards: &str, curves: Vec<Curve>| Chart {
                id,
                title: title.to_owned(),
                across: "records a second that were due".to_owned(),
                upwards: upwards.to_owned(),
                curves,
                mark: mark.clone(),
            };
            all.push(Block::Chart(chart(
                id("latency"),
                "Latency of each step",
                "ms",
                vec![
                    curve("p50", "in-flight", of(|it| Some(it.latency?.p50_us / 1000))),
                    curve("p95", "latency", of(|it| Some(it.latency?.p95_us / 1000))),
                ],
            )));
            all.push(Block::Chart(chart(
                id("rate"),
                "Acknowledged records of each step",
                "records a second",
                vec![
                    curve("due", "sent", of(|it| Some(it.offered_per_s))),
                    curve(
                        "acknowledged",
                        "acknowledged",
                        of(|it| Some(it.acknowledged_per_s)),
                    ),
                ],
            )));
        }
        Kind::Snapshot => {
            if let Some(captured) = &run.captured {
                let points = captured
                    .course
                    .iter()
                    .map(|(ms, events)| (ms / 1000, *events));
                all.push(Block::Chart(Chart {
                    id: id("captured"),
                    title: "Events that could be read".to_owned(),
                    across: "s since the connector was created".to_owned(),
                    upwards: "events".to_owned(),
                    curves: vec![curve("events", "processed", points.collect())],
                    mark: None,
                }));
            }
        }
        Kind::Price | Kind::Startup | Kind::Streaming => {}
        Kind::Baseline | Kind::Burst | Kind::Sustained | Kind::Own => {
            all.push(Block::Chart(by_second(id("by-second"), run)));
        }
    }
    if matches!(kind, Kind::Sustained | Kind::Snapshot) {
        let most = run.used.processes.iter();
        let curves = most.map(|it| {
            let points = it.resident.iter().map(|(ms, of)| (ms / 1000, of >> 20));
            curve(&it.name, memory_class(&it.name), points.collect())
        });
        all.push(Block::Chart(Chart {
            id: id("memory"),
            title: "Resident memory".to_owned(),
            across: "s".to_owned(),
            upwards: "MiB".to_owned(),
            curves: curves.collect(),
            mark: None,
        }));
    }
    all
}

fn curve(name: &str, class: &'static str, points: Vec<(u64, u64)>) -> Curve {
    Curve {
        name: name.to_owned(),
        class,
        points,
    }
}

fn memory_class(process: &str) -> &'static str {
    if process.starts_with("broker") {
        "acknowledged"
    } else if process.starts_with("Connect") {
        "latency"
    } else if process.starts_with("PostgreSQL") {
        "processed"
    } else {
        "sent"
    }
}

/// Latency of each second, over all sections in their order.
fn by_second(id: String, run: &RunResult) -> Chart {
    let began = run.sections.iter().map(|it| it.began_us).min().unwrap_or(0);
    let points = |of: fn(crate::load::Percentiles) -> u64| -> Vec<(u64, u64)> {
        let sections = run.sections.iter().flat_map(|section| {
            let from_ms = section.began_us.saturating_sub(began) / 1000;
            let seconds = section.course.iter();
            seconds.filter_map(move |it| Some(((from_ms + it.from_ms) / 1000, of(it.latency?))))
        });
        sections.collect()
    };
    Chart {
        id,
        title: "Latency by the second in which records were due".to_owned(),
        across: "s".to_owned(),
        upwards: "µs".to_owned(),
        curves: vec![
            curve("p50", "in-flight", points(|it| it.p50_us)),
            curve("p95", "latency", points(|it| it.p95_us)),
            curve("p99", "lag", points(|it| it.p99_us)),
        ],
        mark: None,
    }
}

fn prices(of: &Performance) -> Vec<Block> {
    if of.prices.is_empty() {
        return Vec::new();
    }
    let mut all = vec![
        Block::Heading(2, "The price of guarantees".to_owned()),
        Block::Paragraph(
            "Variants take turns on one broker, in rounds whose order is reversed each time. The \
             ratio is the geometric mean over rounds, with its 95 % interval; a ratio whose interval \
             holds 1 is no difference that was established. As fast as it goes: 10,000 records at \
             once, or a slot of a transform's, until the last acknowledgement or commit. Fixed rate: \
             2000 records a second."
                .to_owned(),
        ),
    ];
    let mut tables: Vec<&str> = of.prices.iter().map(|it| it.table.as_str()).collect();
    tables.dedup();
    for table in tables {
        let rows = of.prices.iter().filter(|it| it.table == table);
        all.push(Block::Heading(3, table.to_owned()));
        all.push(Block::Table(
            vec![
                "variant",
                "differs in",
                "compared with",
                "records/s (median)",
                "rate, ratio",
                "p95 at the fixed rate",
                "p95, ratio",
                "rounds",
            ],
            rows.map(price_row).collect(),
        ));
    }
    if !of.claims.is_empty() {
        all.push(Block::Heading(
            3,
            "Common claims, for this machine".to_owned(),
        ));
        all.push(Block::Table(
            vec!["claim", "answer", "measured"],
            of.claims
                .iter()
                .map(|it| {
                    vec![
                        it.sentence.clone(),
                        it.answer.words().to_owned(),
                        it.reason.clone(),
                    ]
                })
                .collect(),
        ));
    }
    all
}

fn price_row(of: &PriceRow) -> Vec<String> {
    let none = || "–".to_owned();
    let ratio = |of: Option<Ratio>| {
        of.map_or_else(none, |it| {
            format!("{:.2} ({:.2} to {:.2})", it.mean, it.low, it.high)
        })
    };
    let base = if of.base == of.variant {
        none()
    } else {
        of.base.clone()
    };
    vec![
        of.variant.clone(),
        of.differs.clone(),
        base,
        median(&of.rates_per_s).map_or_else(none, number),
        of.rate.map_or_else(none, |it| {
            format!("{}, costs {}", ratio(Some(it)), cost_words(it))
        }),
        median(&of.fixed_p95_us).map_or_else(none, latency_us),
        ratio(of.latency),
        of.rates_per_s.len().to_string(),
    ]
}
