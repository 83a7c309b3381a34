//! The scenarios of the benchmarks, as text in the format of scenario files: what
//! `plan.json` holds can be run again by itself.

use std::fmt::Write as _;

use model::scenario::{Scenario, ScenarioError, parse};

use crate::benchmark::{PlannedRun, Scope, Start};
use crate::load::{SectionSpec, Source};

/// Records before what is measured, in seconds of the load: connections are made, and the
/// JVM compiles what it runs often.
const WARM_UP_S: u64 = 3;
/// How many of every 100 bytes of padding compress.
pub(crate) const COMPRESSIBLE_PERCENT: u8 = 50;
/// Bytes of each value.
pub(crate) const RECORD_BYTES: u32 = 512;
/// The length of a step of the burst and of saturation, in milliseconds.
const STEP_MS: u64 = 1000;

/// What every benchmark of records promises.
pub(crate) const STORED: &[&str] = &[
    "no-loss",
    "no-phantom",
    "intact",
    "no-duplicates",
    "ordered",
];
/// What one with a group promises too.
const READ: &[&str] = &[
    "no-group-gap",
    "group-complete",
    "reads-in-order",
    "no-commit-regression",
];
/// What one that captures promises.
const CAPTURED: &[&str] = &[
    "no-loss",
    "no-phantom",
    "intact",
    "no-row-missing",
    "no-row-phantom",
    "no-row-duplicate",
    "no-state-divergence",
];

/// The settings of the baseline's producer.
const BASELINE_CONFIG: &str = "{ acks = \"all\", \"enable.idempotence\" = \"true\", \
    \"max.in.flight.requests.per.connection\" = \"5\", \"compression.type\" = \"lz4\", \
    \"linger.ms\" = \"5\" }";

/// The text of a scenario while it is written.
pub(crate) struct Text {
    name: String,
    text: String,
}

impl Text {
    pub(crate) fn new(name: &str, title: &str, criterion: &str) -> Self {
        let text = format!(
            "name = \"{name}\"\nsuite = \"performance\"\ntitle = \"{title}\"\n\
             criterion = \"{criterion}\"\ndrain_timeout_ms = 300000\n"
        );
        let name = name.to_owned();
        Self { name, text }
    }

    pub(crate) fn add(&mut self, table: &str) {
        let _ = write!(self.text, "\n{table}\n");
    }

    pub(crate) fn topic(&mut self, name: &str, partitions: u32, replicas: u32, config: &str) {
        self.add(&format!(
            "[[topic]]\nname = \"{name}\"\npartitions = {partitions}\n\
             replication_factor = {replicas}\nconfig = {config}"
        ));
    }

    /// A group that takes records one by one: a poll for many waits until they are there,
    /// which would be the instrument's latency.
    pub(crate) fn reader(&mut self, name: &str, topic: &str) {
        self.add(&format!(
            "[[group]]\nname = \"{name}\"\ntopic = \"{topic}\"\nrecords_per_s = 4000000\n\
             commit_every_records = 500\n\
             config = {{ \"auto.offset.reset\" = \"earliest\", \"isolation.level\" = \
             \"read_committed\" }}"
        ));
    }

    pub(crate) fn claims(&mut self, claims: &[&[&str]]) {
        for claim in claims.iter().copied().flatten() {
            self.add(&format!("[[guarantee]]\nclaim = \"{claim}\""));
        }
    }

    pub(crate) fn read(&self) -> Result<Scenario, ScenarioError> {
        parse(&self.name, &self.text)
    }
}

/// One producer with a reader beside it.
struct Load<'l> {
    name: &'l str,
    title: &'l str,
    criterion: String,
    records: u64,
    per_s: u64,
    steps: &'l [u32],
}

impl Load<'_> {
    fn read(&self) -> Result<Scenario, ScenarioError> {
        let mut text = Text::new(self.name, self.title, &self.criterion);
        text.topic("orders", 3, 1, "{}");
        let steps = if self.steps.is_empty() {
            String::new()
        } else {
            format!("steps_per_s = {:?}\nstep_ms = {STEP_MS}\n", self.steps)
        };
        text.add(&format!(
            "[[producer]]\ntopic = \"orders\"\nrecords = {}\nrecords_per_s = {}\n{steps}\
             record_bytes = {RECORD_BYTES}\ncompressible_percent = {COMPRESSIBLE_PERCENT}\n\
             config = {BASELINE_CONFIG}",
            self.records, self.per_s
        ));
        text.reader("reader", "orders");
        text.claims(&[STORED, READ]);
        text.read()
    }
}

fn section(name: impl Into<String>, first: u64, records: u64) -> SectionSpec {
    SectionSpec {
        name: name.into(),
        source: Source::Producer(0),
        first,
        end: first + records,
    }
}

/// A steady load behind its warm-up.
fn steady(
    name: &str,
    title: &str,
    criterion: String,
    per_s: u64,
    seconds: u64,
) -> Result<PlannedRun, ScenarioError> {
    let (warm_up, measured) = (per_s * WARM_UP_S, per_s * seconds);
    let scenario = Load {
        name,
        title,
        criterion,
        records: warm_up + measured,
        per_s,
        steps: &[],
    }
    .read()?;
    let sections = vec![section("measured", warm_up, measured)];
    Ok(PlannedRun::new(scenario, sections))
}

pub(crate) fn baseline(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let seconds = match scope {
        Scope::Quick => 8,
        Scope::Full => 60,
    };
    let criterion = format!("1000 records a second for {seconds} s, p95 of latency below 100 ms");
    steady("baseline", "A steady load", criterion, 1000, seconds)
}

pub(crate) fn sustained(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let seconds = match scope {
        Scope::Quick => 12,
        Scope::Full => 300,
    };
    let criterion = format!("500 records a second for {seconds} s, no drift of latency or memory");
    steady("sustained", "A low load for long", criterion, 500, seconds)
}

/// Seconds of the low load before the burst, of the burst, and of the low load behind it.
const fn burst_s(scope: Scope) -> (u64, u64, u64) {
    match scope {
        Scope::Quick => (WARM_UP_S, 3, 4),
        Scope::Full => (WARM_UP_S + 5, 10, 20),
    }
}

/// The low rate around the burst.
const AROUND_PER_S: u32 = 500;
/// The burst's rate.
const BURST_PER_S: u32 = 5000;

pub(crate) fn burst(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let (before_s, burst_s, after_s) = burst_s(scope);
    let steps = (0..before_s).map(|_| AROUND_PER_S);
    let steps: Vec<u32> = steps.chain((0..burst_s).map(|_| BURST_PER_S)).collect();
    let (low, high) = (u64::from(AROUND_PER_S), u64::from(BURST_PER_S));
    let (before, within, after) = (before_s * low, burst_s * high, after_s * low);
    let scenario = Load {
        name: "burst",
        title: "Ten times the load for some seconds",
        criterion: format!("{BURST_PER_S} records a second for {burst_s} s, kept up"),
        records: before + within + after,
        per_s: low,
        steps: &steps,
    }
    .read()?;
    let warm_up = WARM_UP_S * low;
    // In quick runs there is nothing else before it.
    let normal = if before > warm_up {
        warm_up
    } else {
        warm_up - low
    };
    let sections = vec![
        section("before", normal, before - normal),
        section("burst", before, within),
        section("after", before + within, after),
    ];
    Ok(PlannedRun::new(scenario, sections))
}

/// The rates of saturation, each for so many seconds.
fn saturation_rates(scope: Scope) -> (Vec<u32>, u64) {
    match scope {
        Scope::Quick => (vec![5000, 10_000, 20_000, 40_000, 80_000, 120_000], 1),
        Scope::Full => {
            let rates = [
                1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 80_000, 120_000,
            ];
            (rates.to_vec(), 5)
        }
    }
}

pub(crate) fn saturation(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let (rates, seconds) = saturation_rates(scope);
    let warm_up = (0..WARM_UP_S).map(|_| 1000u32);
    let each = rates.iter().flat_map(|rate| (0..seconds).map(|_| *rate));
    let steps: Vec<u32> = warm_up.chain(each).collect();
    let records: u64 = steps.iter().copied().map(u64::from).sum();
    let scenario = Load {
        name: "saturation",
        title: "The load grows in steps",
        criterion: "The knee: the highest step that is kept up with".to_owned(),
        records,
        per_s: u64::from(rates.last().copied().unwrap_or(1000)),
        steps: &steps,
    }
    .read()?;
    let mut first = WARM_UP_S * 1000;
    let sections = rates.iter().map(|rate| {
        let records = u64::from(*rate) * seconds;
        let spec = section(format!("{rate}/s"), first, records);
        first += records;
        spec
    });
    let sections = sections.collect();
    Ok(PlannedRun::new(scenario, sections))
}

const CAPTURE: &str = "[capture]\nconnector = \"shop-connector\"\nslot = \"debezium_slot\"\n\
    publication = \"debezium_publication\"\nprefix = \"shop\"\n";

/// Rows of the snapshot: those of SC-005, or so many that a quick run has the time.
pub(crate) const fn snapshot_rows(scope: Scope) -> u64 {
    match scope {
        Scope::Quick => 20_000,
        Scope::Full => SC_005_ROWS,
    }
}

/// The rows of SC-005.
pub(crate) const SC_005_ROWS: u64 = 895_837;
/// The time that SC-005 gives them, in seconds.
pub(crate) const SC_005_S: u64 = 600;

pub(crate) fn snapshot(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let rows = snapshot_rows(scope);
    let mut text = Text::new(
        "snapshot",
        "Rows that Debezium's snapshot finds",
        &format!("{rows} rows captured, every row once, state equal"),
    );
    text.add(&format!(
        "{CAPTURE}config = {{ \"snapshot.mode\" = \"initial\", \"poll.interval.ms\" = \"50\", \
         \"max.batch.size\" = \"8192\", \"max.queue.size\" = \"65536\", \
         \"producer.override.linger.ms\" = \"5\", \"producer.override.batch.size\" = \"131072\" }}"
    ));
    let (users, videos) = (1000, 1000);
    for (table, rows) in [
        ("users", users),
        ("videos", videos),
        ("comments", rows - users - videos),
    ] {
        text.add(&format!(
            "[[write]]\ntable = \"{table}\"\nrows = {rows}\nhow = \"copy\"\n\
             start = \"before-capture\""
        ));
    }
    text.claims(&[CAPTURED]);
    let mut scenario = text.read()?;
    scenario.drain_timeout_ms = 2 * SC_005_S * 1000;
    Ok(PlannedRun::new(scenario, Vec::new()))
}

/// Row changes a second, and rows behind them that are written as fast as the database
/// answers.
const fn streaming_rows(scope: Scope) -> (u64, u64) {
    match scope {
        Scope::Quick => (500, 2000),
        Scope::Full => (6000, 50_000),
    }
}

/// Row changes a second of the streaming benchmark.
pub(crate) const CHANGES_PER_S: u64 = 100;

pub(crate) fn streaming(scope: Scope) -> Result<PlannedRun, ScenarioError> {
    let (paced, free) = streaming_rows(scope);
    let mut text = Text::new(
        "streaming",
        "Row changes while they are written",
        &format!("{CHANGES_PER_S} changes a second visible within 5 s at p95"),
    );
    text.add(&format!(
        "{CAPTURE}config = {{ \"snapshot.mode\" = \"no_data\", \"poll.interval.ms\" = \"10\" }}"
    ));
    let parents = [("users", 3), ("videos", 2)];
    for (table, rows) in parents {
        text.add(&format!("[[write]]\ntable = \"{table}\"\nrows = {rows}"));
    }
    text.add(&format!(
        "[[write]]\ntable = \"comments\"\nrows = {paced}\nrows_per_s = {CHANGES_PER_S}"
    ));
    text.add(&format!("[[write]]\ntable = \"comments\"\nrows = {free}"));
    text.reader("moderation", "shop.public.comments");
    text.claims(&[CAPTURED, READ]);
    let first: u64 = parents.iter().map(|(_, rows)| rows).sum();
    let of = |name: &str, first: u64, rows: u64| SectionSpec {
        name: name.to_owned(),
        source: Source::Writer,
        first,
        end: first + rows,
    };
    let sections = vec![
        of("paced", first, paced),
        of("as fast as the database", first + paced, free),
    ];
    Ok(PlannedRun::new(text.read()?, sections))
}

pub(crate) fn startup() -> Result<Vec<PlannedRun>, ScenarioError> {
    let of = |name: &str, title: &str, start: Start| {
        let criterion = "The first acknowledgement and the first processed record within 10 s";
        let scenario = Load {
            name,
            title,
            criterion: criterion.to_owned(),
            records: 100,
            per_s: 1000,
            steps: &[],
        }
        .read()?;
        let mut run = PlannedRun::new(scenario, vec![section("first records", 0, 100)]);
        run.start = start;
        Ok(run)
    };
    Ok(vec![
        of("startup-cold", "Without a start-up archive", Start::Cold)?,
        of("startup-warm", "With the start-up archive", Start::Warm)?,
    ])
}
