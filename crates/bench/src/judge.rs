//! From measurements to verdicts on criteria. A verdict is HELD only where the load was as
//! the criterion says and the checker held the run; where the generator fell behind, or a
//! limit was missed on a busy machine, it is INCONCLUSIVE.

use model::verdict::Verdict;

use crate::benchmark::{Kind, Scope};
use crate::load::Section;
use crate::performance::{BenchmarkResult, Criterion, RunResult};
use crate::price::PriceRow;
use crate::scenarios::{SC_005_ROWS, SC_005_S};
use crate::shape::{Drift, knee, normal_after_ms, p95_by_second};
use crate::words::{bytes, counted, latency_us, number};

/// p99 of how late records may be handed over, in microseconds.
const LATE_MAX_US: u64 = 10_000;
/// Of the rate that was due so much must have been acknowledged, in percent.
const RATE_PERCENT: u64 = 98;
/// The baseline's limit for p95.
const BASELINE_P95_US: u64 = 100_000;
/// Latency after a burst is normal at so many times that of before, in percent.
const NORMAL_PERCENT: u64 = 150;
/// And in any case below this.
const NORMAL_FLOOR_US: u64 = 5_000;
/// A drift of p95: more than so many percent, and more than the floor.
const LATENCY_DRIFT_PERCENT: u64 = 50;
const LATENCY_DRIFT_FLOOR_US: u64 = 5_000;
/// A drift of memory, by process.
const MEMORY_DRIFT_PERCENT: u64 = 20;
const MEMORY_DRIFT_FLOOR: u64 = 32 * 1024 * 1024;
/// Below so many seconds memory that grows is none that drifts.
const DRIFT_SECONDS_MIN: usize = 60;
/// The memory of SC-005.
const SNAPSHOT_MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// Seconds until a change is visible.
const VISIBLE_P95_US: u64 = 5_000_000;
/// Until a broker is of use.
const STARTUP_MS: u64 = 10_000;
/// Rounds of a price, at least.
const ROUNDS_MIN: usize = 3;

/// Judges a benchmark by its runs. `prices` are the rows of its own tables.
pub fn judge(
    kind: Kind,
    scope: Scope,
    name: &str,
    title: &str,
    runs: Vec<RunResult>,
    prices: &[PriceRow],
) -> BenchmarkResult {
    let mut result = BenchmarkResult {
        kind,
        name: name.to_owned(),
        title: title.to_owned(),
        verdict: Verdict::Inconclusive,
        criteria: Vec::new(),
        marks: Vec::new(),
        figures: Vec::new(),
        runs: Vec::new(),
    };
    for run in &runs {
        result.criteria.push(Criterion {
            sentence: format!("{}: delivered as its scenario requires", run.scenario),
            verdict: run.checked,
            reason: run.checked_because.clone(),
        });
        if let Some(busy) = run.used.busy() {
            result.marks.push(format!("{}: {busy}", run.scenario));
        }
    }
    if scope == Scope::Quick && kind != Kind::Own {
        result
            .marks
            .push("quick: a smaller load than the benchmark's own".to_owned());
    }
    let first = runs.first();
    match kind {
        Kind::Baseline => {
            if let Some(run) = first {
                steady(&mut result, run);
                let latency = section(run, "measured").and_then(|it| it.latency);
                result.criteria.push(within(
                    "p95 of latency below 100 ms",
                    latency.map(|it| it.p95_us),
                    BASELINE_P95_US - 1,
                    latency_us,
                    run,
                ));
            }
        }
        Kind::Sustained => {
            if let Some(run) = first {
                steady(&mut result, run);
                drifts(&mut result, run);
            }
        }
        Kind::Burst => {
            if let Some(run) = first {
                burst(&mut result, run);
            }
        }
        Kind::Saturation => {
            if let Some(run) = first {
                saturation(&mut result, run);
            }
        }
        Kind::Snapshot => {
            if let Some(run) = first {
                snapshot(&mut result, run);
            }
        }
        Kind::Streaming => {
            if let Some(run) = first {
                streaming(&mut result, run);
            }
        }
        Kind::Startup => {
            for run in &runs {
                startup(&mut result, run);
            }
        }
        Kind::Price => priced(&mut result, prices),
        Kind::Own => {
            for run in &runs {
                for section in &run.sections {
                    result.figures.push(figures_of(section));
                    late(&mut result, section);
                }
            }
        }
    }
    // Nothing was put to the test where there was nothing.
    let worst = result.criteria.iter().map(|it| it.verdict).max();
    result.verdict = worst.unwrap_or(Verdict::Inconclusive);
    result.runs = runs;
    result
}

fn section<'r>(run: &'r RunResult, name: &str) -> Option<&'r Section> {
    run.sections.iter().find(|it| it.name == name)
}

fn criterion(sentence: &str, verdict: Verdict, reason: impl Into<String>) -> Criterion {
    Criterion {
        sentence: sentence.to_owned(),
        verdict,
        reason: reason.into(),
    }
}

/// A figure that must not be above a limit. Above it on a busy machine says nothing.
fn within(
    sentence: &str,
    figure: Option<u64>,
    limit: u64,
    words: fn(u64) -> String,
    run: &RunResult,
) -> Criterion {
    let Some(figure) = figure else {
        return criterion(sentence, Verdict::Inconclusive, "it was not measured");
    };
    let shown = words(figure);
    if figure <= limit {
        return criterion(sentence, Verdict::Held, shown);
    }
    match run.used.busy() {
        Some(busy) => criterion(
            sentence,
            Verdict::Inconclusive,
            format!("{shown}, and {busy}"),
        ),
        None => criterion(sentence, Verdict::Violated, shown),
    }
}

/// Marks a section whose records were not handed over in time. Whether it is so.
fn late(result: &mut BenchmarkResult, section: &Section) -> bool {
    let Some(lateness) = section.lateness.filter(|it| it.p99_us > LATE_MAX_US) else {
        return false;
    };
    result.marks.push(format!(
        "{}: the generator fell behind: records were handed over {} late at p99, {} at most; latency \
         counts from the moment at which they were due",
        section.name,
        latency_us(lateness.p99_us),
        latency_us(lateness.max_us)
    ));
    true
}

/// Whether a load was carried as it was planned.
fn carried(result: &mut BenchmarkResult, run: &RunResult, sentence: &str, section: &Section) {
    let is_late = late(result, section);
    let figures = format!(
        "{} of {} records acknowledged, {} of {} a second",
        number(section.acknowledged),
        number(section.planned),
        number(section.acknowledged_per_s),
        number(section.offered_per_s)
    );
    let all = section.acknowledged == section.planned;
    let rate =
        section.acknowledged_per_s * 100 >= section.offered_per_s.saturating_mul(RATE_PERCENT);
    let verdict = match (section.sent == 0, all && rate, is_late, run.used.busy()) {
        (false, true, false, _) => Verdict::Held,
        // Nothing was sent, or the load was another one than the criterion's.
        (true, ..) | (_, _, true, _) => Verdict::Inconclusive,
        (_, false, _, Some(_)) if all => Verdict::Inconclusive,
        _ => Verdict::Violated,
    };
    result.criteria.push(criterion(sentence, verdict, figures));
}

fn steady(result: &mut BenchmarkResult, run: &RunResult) {
    let Some(section) = section(run, "measured") else {
        let sentence = "the load was carried";
        let none = criterion(sentence, Verdict::Inconclusive, "nothing was measured");
        result.criteria.push(none);
        return;
    };
    let seconds = section.planned.checked_div(section.offered_per_s.max(1));
    let sentence = format!(
        "{} records a second for {} s",
        number(section.offered_per_s),
        seconds.unwrap_or(0)
    );
    carried(result, run, &sentence, section);
    result.figures.push(figures_of(section));
}

/// A section's figures in one line.
fn figures_of(section: &Section) -> String {
    let mut parts = vec![format!(
        "{}: {} of {} acknowledged, {} a second",
        section.name,
        number(section.acknowledged),
        number(section.planned),
        number(section.acknowledged_per_s)
    )];
    for (what, of) in [
        ("latency", section.latency),
        ("end to end", section.end_to_end),
    ] {
        if let Some(of) = of {
            parts.push(format!(
                "{what} p50 {} p95 {} p99 {} p99.9 {} max {}",
                latency_us(of.p50_us),
                latency_us(of.p95_us),
                latency_us(of.p99_us),
                latency_us(of.p999_us),
                latency_us(of.max_us)
            ));
        }
    }
    parts.join("; ")
}

fn drifts(result: &mut BenchmarkResult, run: &RunResult) {
    let sentence = "no drift of latency: p95 of a second, last third against first";
    let course = section(run, "measured").map_or(&[][..], |it| &it.course);
    let drift = Drift::of(&p95_by_second(course));
    result.criteria.push(match drift {
        None => criterion(
            sentence,
            Verdict::Inconclusive,
            "too few seconds were measured",
        ),
        Some(drift) => {
            let reason = format!("{} to {}", latency_us(drift.first), latency_us(drift.last));
            let grew = drift.grew(LATENCY_DRIFT_PERCENT, LATENCY_DRIFT_FLOOR_US);
            drifted(sentence, grew, reason, run)
        }
    });
    let sentence = "no drift of memory: each process, last third against first";
    let mut worst: Option<(String, Drift)> = None;
    let mut measured = 0u64;
    for process in &run.used.processes {
        // It starts in the first fifth. What came late, or left early, has no first and last
        // third of the run.
        let started = process.resident.len() / 5;
        let values = process.resident.iter().skip(started);
        let values: Vec<u64> = values.map(|it| it.1).collect();
        let Some(drift) = Drift::of(&values).filter(|_| values.len() >= 12) else {
            continue;
        };
        measured += 1;
        let grown = |of: Drift| of.last.saturating_sub(of.first);
        if worst
            .as_ref()
            .is_none_or(|(_, it)| grown(*it) < grown(drift))
        {
            worst = Some((process.name.clone(), drift));
        }
    }
    result.criteria.push(match worst {
        None => criterion(
            sentence,
            Verdict::Inconclusive,
            "too few samples were taken",
        ),
        Some((name, drift)) => {
            let reason = format!(
                "the most of {}: {name}, {} to {}",
                counted(measured, "process"),
                bytes(drift.first),
                bytes(drift.last)
            );
            let grew = drift.grew(MEMORY_DRIFT_PERCENT, MEMORY_DRIFT_FLOOR);
            match (grew, course.len() < DRIFT_SECONDS_MIN) {
                (false, _) => criterion(sentence, Verdict::Held, reason),
                (true, false) => criterion(sentence, Verdict::Violated, reason),
                // A JVM takes its heap little by little.
                (true, true) => {
                    let short = format!("{reason}, in {} s only", course.len());
                    criterion(sentence, Verdict::Inconclusive, short)
                }
            }
        }
    });
}

fn drifted(sentence: &str, grew: bool, reason: String, run: &RunResult) -> Criterion {
    match (grew, run.used.busy()) {
        (false, _) => criterion(sentence, Verdict::Held, reason),
        (true, Some(busy)) => criterion(
            sentence,
            Verdict::Inconclusive,
            format!("{reason}, and {busy}"),
        ),
        (true, None) => criterion(sentence, Verdict::Violated, reason),
    }
}

fn burst(result: &mut BenchmarkResult, run: &RunResult) {
    if let Some(section) = section(run, "burst") {
        let sentence = format!("{} records a second kept up", number(section.offered_per_s));
        carried(result, run, &sentence, section);
    }
    let before = section(run, "before").and_then(|it| it.latency);
    let after = section(run, "after");
    if let (Some(before), Some(after)) = (before, after) {
        let limit_us = (before.p95_us * NORMAL_PERCENT / 100).max(NORMAL_FLOOR_US);
        let normal = normal_after_ms(&after.course, limit_us);
        result.figures.push(match normal {
            Some(ms) => format!(
                "p95 of a second is normal again (at most {}) {} s after the burst",
                latency_us(limit_us),
                ms / 1000
            ),
            None => format!(
                "p95 of a second did not become normal again (at most {}) in the {} s after the \
                 burst",
                latency_us(limit_us),
                after.course.len()
            ),
        });
    }
    for section in &run.sections {
        result.figures.push(figures_of(section));
    }
}

fn saturation(result: &mut BenchmarkResult, run: &RunResult) {
    let knee = knee(&run.sections);
    let sentence = "a step is kept up with, and the knee is found";
    let name = |at: usize| run.sections.get(at).map_or("?", |it| it.name.as_str());
    let (verdict, reason) = match (knee.last, knee.turn) {
        (Some(last), Some(turn)) => (
            Verdict::Held,
            format!("the knee is at {}: {turn}", name(last)),
        ),
        (Some(last), None) => (
            Verdict::Inconclusive,
            format!(
                "all steps were kept up with: the knee is above {}",
                name(last)
            ),
        ),
        (None, turn) => (
            Verdict::Inconclusive,
            turn.unwrap_or_else(|| "nothing was measured".to_owned()),
        ),
    };
    result.criteria.push(criterion(sentence, verdict, reason));
    let steps: Vec<Section> = run.sections.clone();
    for section in &steps {
        result.figures.push(figures_of(section));
    }
    if let Some(step) = steps
        .iter()
        .find(|it| it.lateness.is_some_and(|it| it.p99_us > LATE_MAX_US))
    {
        result.marks.push(format!(
            "from {} on the generator fell behind: the knee may be the client's and not the broker's",
            step.name
        ));
    }
}

fn snapshot(result: &mut BenchmarkResult, run: &RunResult) {
    let needed_per_s = SC_005_ROWS.div_ceil(SC_005_S);
    let captured = run.captured.as_ref();
    if captured.is_some_and(|it| it.rows == SC_005_ROWS) {
        result.criteria.push(within(
            "895,837 rows in less than 10 minutes",
            captured.and_then(|it| it.took_ms),
            SC_005_S * 1000 - 1,
            crate::words::duration_ms,
            run,
        ));
    } else {
        let sentence = format!(
            "as many rows a second as 895,837 in 10 minutes are: {}",
            number(needed_per_s)
        );
        let rate = captured.and_then(|it| it.rows_per_s);
        result.criteria.push(match rate {
            None => criterion(&sentence, Verdict::Inconclusive, "it was not measured"),
            Some(rate) => {
                let reason = format!("{} rows a second", number(rate));
                drifted(&sentence, rate < needed_per_s, reason, run)
            }
        });
    }
    let memory = Some(run.used.resident_max_bytes).filter(|_| run.used.samples > 1);
    result.criteria.push(within(
        "less than 2 GiB of memory, over all processes",
        memory,
        SNAPSHOT_MEMORY - 1,
        bytes,
        run,
    ));
    if let Some(captured) = captured {
        result.figures.push(format!(
            "{} rows, {} events, {}, {} rows a second",
            number(captured.rows),
            number(captured.events),
            captured
                .took_ms
                .map_or_else(|| "not all in time".to_owned(), crate::words::duration_ms),
            captured.rows_per_s.map_or_else(|| "?".to_owned(), number)
        ));
    }
}

fn streaming(result: &mut BenchmarkResult, run: &RunResult) {
    let paced = section(run, "paced");
    let all = paced.filter(|it| it.processed >= it.planned);
    result.criteria.push(match (paced, all) {
        (Some(some), None) if some.sent > 0 => criterion(
            "every change is processed",
            Verdict::Inconclusive,
            format!(
                "{} of {} were",
                number(some.processed),
                number(some.planned)
            ),
        ),
        _ => within(
            "a committed change is processed within 5 s at p95",
            all.and_then(|it| it.end_to_end).map(|it| it.p95_us),
            VISIBLE_P95_US,
            latency_us,
            run,
        ),
    });
    for section in &run.sections {
        let latency = section.end_to_end.map_or_else(String::new, |it| {
            format!(
                "; from commit to processing p50 {} p95 {} p99 {} max {}",
                latency_us(it.p50_us),
                latency_us(it.p95_us),
                latency_us(it.p99_us),
                latency_us(it.max_us)
            )
        });
        result.figures.push(format!(
            "{}: {} of {} changes processed, {} a second{latency}",
            section.name,
            number(section.processed),
            number(section.planned),
            number(section.processed_per_s)
        ));
    }
}

fn startup(result: &mut BenchmarkResult, run: &RunResult) {
    for (what, ms) in [
        ("first acknowledgement", run.first_acknowledged_ms),
        ("first processed record", run.first_processed_ms),
    ] {
        let sentence = format!("{}: {what} within 10 s", run.scenario);
        let words = crate::words::duration_ms;
        result
            .criteria
            .push(within(&sentence, ms, STARTUP_MS, words, run));
    }
}

fn priced(result: &mut BenchmarkResult, prices: &[PriceRow]) {
    let sentence = format!("every variant was measured in {ROUNDS_MIN} rounds or more");
    let few: Vec<String> = prices
        .iter()
        .filter(|it| it.rates_per_s.len() < ROUNDS_MIN)
        .map(|it| format!("{} in {}", it.variant, it.rates_per_s.len()))
        .collect();
    let verdict = if few.is_empty() && !prices.is_empty() {
        Verdict::Held
    } else {
        Verdict::Inconclusive
    };
    let reason = match (prices.len(), few.is_empty()) {
        (0, _) => "nothing was measured".to_owned(),
        (some, true) => counted(some as u64, "variant"),
        (_, false) => few.join(", "),
    };
    result.criteria.push(criterion(&sentence, verdict, reason));
    for row in prices.iter().filter(|it| it.spilled > 0) {
        result.marks.push(format!(
            "{}: {} left out, because their records were not done in their time",
            row.variant,
            counted(row.spilled, "round")
        ));
    }
}
