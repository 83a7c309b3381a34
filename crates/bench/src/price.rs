//! The price of guarantees: variants of one producer, or of one transform, take turns on the
//! same broker. In each round every variant has a slot of its own; the order is reversed
//! from round to round (ABBA), so that what changes slowly meets all of them alike. A slot
//! has a load at a fixed rate, and then so many records at once, as fast as they go.
//!
//! Pure: which slots there are, and which table their figures make.

use model::scenario::ScenarioError;
use serde::{Deserialize, Serialize};

use crate::benchmark::{PlannedRun, Scope};
use crate::load::{Section, SectionSpec, Source};
use crate::scenarios::{COMPRESSIBLE_PERCENT, RECORD_BYTES, STORED, Text};
use crate::stats::Ratio;

/// The length of a step of the schedules, in milliseconds.
const STEP_MS: u64 = 50;
/// Steps a second.
const STEPS_PER_S: u64 = 1000 / STEP_MS;
/// Steps at the fixed rate.
const FIXED_STEPS: usize = 8;
/// The fixed rate, in records a second.
pub(crate) const FIXED_PER_S: u64 = 2000;
/// Steps without a record behind the fixed rate.
const GAP_STEPS: usize = 2;
/// Rounds that warm up and are not measured.
const WARM_UP_ROUNDS: usize = 1;
/// When the schedules begin: every client is ready by then.
const START_MS: u64 = 4000;

/// A variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What differs from the one that it is compared with.
    pub differs: &'static str,
    /// The variant that it is compared with.
    pub base: &'static str,
}

/// One variant's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The variant's place.
    pub variant: usize,
    /// The round, from 0; those that warm up are not among the slots.
    pub round: usize,
    /// The section at the fixed rate, where there is one.
    pub fixed: Option<usize>,
    /// The section as fast as it goes.
    pub free: usize,
    /// From the moment at which the first of these is due until the next slot.
    pub free_us: u64,
}

/// The variants and slots of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricePlan {
    /// What the table is about.
    pub title: &'static str,
    /// The variants.
    pub variants: Vec<Variant>,
    /// The slots.
    pub slots: Vec<Slot>,
    /// Whether rates are those of processing, and not of acknowledgement.
    pub of_transforms: bool,
}

/// What one variant costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PriceRow {
    /// The table.
    pub table: String,
    /// The variant.
    pub variant: String,
    /// What differs from the base.
    pub differs: String,
    /// The variant that it is compared with; its own name where it is the base.
    pub base: String,
    /// Records a second as fast as it goes, of each round.
    pub rates_per_s: Vec<u64>,
    /// p95 of latency at the fixed rate, of each round, in microseconds.
    pub fixed_p95_us: Vec<u64>,
    /// Rounds left out, because their records were not done when the next slot began.
    pub spilled: u64,
    /// The ratio of its rates to the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Ratio>,
    /// The ratio of its p95 at the fixed rate to the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Ratio>,
}

/// A variant with what makes it.
struct Made {
    of: Variant,
    /// Settings of the producer that replace or follow those of the base.
    config: &'static [(&'static str, &'static str)],
    /// Where it is not the built-in client.
    client: Option<&'static str>,
    topic: &'static str,
    /// Whether the settings are all there are.
    alone: bool,
}

const BASE: &str = "acks-all";

/// Java's defaults where librdkafka has others, written out.
const JAVA_DEFAULTS: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("max.in.flight.requests.per.connection", "5"),
    ("linger.ms", "5"),
    ("batch.size", "16384"),
];

/// What the base sets: everything that a variant changes, and Java's size of a batch.
const BASE_CONFIG: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "false"),
    ("max.in.flight.requests.per.connection", "5"),
    ("linger.ms", "5"),
    ("batch.size", "16384"),
    ("compression.type", "none"),
];

const fn made(
    name: &'static str,
    differs: &'static str,
    config: &'static [(&'static str, &'static str)],
) -> Made {
    Made {
        of: Variant {
            name,
            differs,
            base: BASE,
        },
        config,
        client: None,
        topic: "orders",
        alone: false,
    }
}

/// The variants on one broker; the first so many are those of quick runs.
fn producers() -> Vec<Made> {
    vec![
        made(BASE, "acks=all, no idempotence, five in flight", &[]),
        made(
            "idempotent",
            "enable.idempotence=true, five in flight",
            &[("enable.idempotence", "true")],
        ),
        made("acks-1", "acks=1", &[("acks", "1")]),
        made(
            "one-in-flight",
            "one in flight, no idempotence: the other way to keep the order",
            &[("max.in.flight.requests.per.connection", "1")],
        ),
        made("acks-0", "acks=0", &[("acks", "0")]),
        made(
            "lz4",
            "compression.type=lz4",
            &[("compression.type", "lz4")],
        ),
        made(
            "zstd",
            "compression.type=zstd",
            &[("compression.type", "zstd")],
        ),
        made(
            "gzip",
            "compression.type=gzip",
            &[("compression.type", "gzip")],
        ),
        made("linger-0", "linger.ms=0", &[("linger.ms", "0")]),
        made(
            "large-batches",
            "batch.size=262144, linger.ms=20",
            &[("batch.size", "262144"), ("linger.ms", "20")],
        ),
        Made {
            alone: true,
            ..made(
                "librdkafka-defaults",
                "librdkafka with its own defaults",
                &[],
            )
        },
        Made {
            alone: true,
            ..made(
                "librdkafka-as-java",
                "librdkafka with Java's defaults",
                JAVA_DEFAULTS,
            )
        },
        Made {
            alone: true,
            client: Some("java"),
            ..made("java-defaults", "Java's client with its own defaults", &[])
        },
    ]
}
/// Variants of quick runs.
const QUICK_PRODUCERS: usize = 4;

/// The variants on three brokers.
fn replicated() -> Vec<Made> {
    let of = |name, differs, config, topic, base| Made {
        of: Variant {
            name,
            differs,
            base,
        },
        topic,
        ..made("", "", config)
    };
    vec![
        of("rf-1", "one replica, acks=all", &[], "one", "rf-1"),
        of(
            "rf-3-min-isr-1",
            "three replicas, min.insync.replicas=1, acks=all",
            &[],
            "three-1",
            "rf-1",
        ),
        of(
            "rf-3-min-isr-2",
            "three replicas, min.insync.replicas=2, acks=all",
            &[],
            "three-2",
            "rf-1",
        ),
        of(
            "rf-3-acks-1",
            "three replicas, acks=1",
            &[("acks", "1")],
            "three-2",
            "rf-3-min-isr-2",
        ),
        of(
            "rf-3-idempotent",
            "three replicas, min.insync.replicas=2, idempotence",
            &[("enable.idempotence", "true")],
            "three-2",
            "rf-3-min-isr-2",
        ),
    ]
}

/// Records of the part that goes as fast as it can, and steps until the next slot.
#[derive(Clone, Copy)]
struct Burst {
    records: u64,
    drain_steps: usize,
}

/// Of producers: at 25,000 records a second they are done in half of the drain.
const PRODUCERS_BURST: Burst = Burst {
    records: 10_000,
    drain_steps: 13,
};

/// The schedule of slots: what each variant's producer does in each step.
struct Schedule {
    /// By variant, by step.
    rates: Vec<Vec<u32>>,
    sections: Vec<SectionSpec>,
    slots: Vec<Slot>,
}

/// Makes the slots of so many measured rounds. `bursts` are by variant.
fn schedule(bursts: &[Burst], names: &[&str], rounds: usize, has_fixed: bool) -> Schedule {
    let mut made = Schedule {
        rates: vec![Vec::new(); bursts.len()],
        sections: Vec::new(),
        slots: Vec::new(),
    };
    let mut sent = vec![0u64; bursts.len()];
    let measured = WARM_UP_ROUNDS..WARM_UP_ROUNDS + rounds;
    for round in (0..WARM_UP_ROUNDS).chain(measured) {
        let order: Vec<usize> = if round % 2 == 0 {
            (0..bursts.len()).collect()
        } else {
            (0..bursts.len()).rev().collect()
        };
        for variant in order {
            let Some(burst) = bursts.get(variant) else {
                continue;
            };
            let mut of_slot = Vec::new();
            if has_fixed {
                let fixed = u32::try_from(FIXED_PER_S).unwrap_or(u32::MAX);
                of_slot.extend(std::iter::repeat_n(fixed, FIXED_STEPS));
                of_slot.extend(std::iter::repeat_n(0, GAP_STEPS));
            }
            let at_once = burst.records * STEPS_PER_S;
            of_slot.push(u32::try_from(at_once).unwrap_or(u32::MAX));
            of_slot.extend(std::iter::repeat_n(0, burst.drain_steps));
            for (at, rates) in made.rates.iter_mut().enumerate() {
                if at == variant {
                    rates.extend(&of_slot);
                } else {
                    rates.extend(std::iter::repeat_n(0, of_slot.len()));
                }
            }
            let fixed = if has_fixed {
                FIXED_PER_S * FIXED_STEPS as u64 / STEPS_PER_S
            } else {
                0
            };
            let Some(sent) = sent.get_mut(variant) else {
                continue;
            };
            let (first, free) = (*sent, *sent + fixed);
            *sent = free + burst.records;
            if round < WARM_UP_ROUNDS {
                continue;
            }
            let source = Source::Producer(u32::try_from(variant).unwrap_or(u32::MAX));
            let name = names.get(variant).copied().unwrap_or_default();
            let mut add = |what: &str, first: u64, end: u64| {
                made.sections.push(SectionSpec {
                    name: format!("{name} {}: {what}", round + 1 - WARM_UP_ROUNDS),
                    source,
                    first,
                    end,
                });
                made.sections.len() - 1
            };
            let fixed = has_fixed.then(|| add("fixed rate", first, free));
            let free = add("as fast as it goes", free, *sent);
            made.slots.push(Slot {
                variant,
                round: round - WARM_UP_ROUNDS,
                fixed,
                free,
                free_us: (1 + burst.drain_steps) as u64 * STEP_MS * 1000,
            });
        }
    }
    made
}

fn config(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(key, value)| format!("\"{key}\" = \"{value}\""));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

/// A producer that follows its schedule, and its number of records.
fn producer(text: &mut Text, rates: &[u32], topic: &str, client: Option<&str>, config: &str) {
    // Behind the last record there is nothing to wait for.
    let used = rates
        .iter()
        .rposition(|it| *it > 0)
        .map_or(0, |last| last + 1);
    let rates = rates.get(..used).unwrap_or_default();
    let records = rates
        .iter()
        .map(|rate| (u64::from(*rate) * STEP_MS).div_ceil(1000));
    let records: u64 = records.sum();
    let client = client.map_or_else(String::new, |client| format!("client = \"{client}\"\n"));
    text.add(&format!(
        "[[producer]]\ntopic = \"{topic}\"\nrecords = {records}\nrecords_per_s = 1\n\
         steps_per_s = {rates:?}\nstep_ms = {STEP_MS}\nstart_ms = {START_MS}\n\
         record_bytes = {RECORD_BYTES}\ncompressible_percent = {COMPRESSIBLE_PERCENT}\n\
         {client}config = {config}"
    ));
}

/// A run in which producers take turns.
fn of_producers(
    name: &str,
    title: &'static str,
    made: &[Made],
    rounds: usize,
    topics: impl FnOnce(&mut Text),
) -> Result<PlannedRun, ScenarioError> {
    let names: Vec<&str> = made.iter().map(|it| it.of.name).collect();
    let bursts = vec![PRODUCERS_BURST; made.len()];
    let plan = schedule(&bursts, &names, rounds, true);
    let mut text = Text::new(
        name,
        title,
        "Every record is stored; rates are what is looked at",
    );
    topics(&mut text);
    for (of, rates) in made.iter().zip(&plan.rates) {
        let mut pairs: Vec<(&str, &str)> = if of.alone {
            Vec::new()
        } else {
            BASE_CONFIG.to_vec()
        };
        for (key, value) in of.config {
            pairs.retain(|(known, _)| known != key);
            pairs.push((key, value));
        }
        producer(&mut text, rates, of.topic, of.client, &config(&pairs));
    }
    // Without idempotence nothing promises an order, or that nothing comes twice.
    text.claims(&[&["no-loss", "no-phantom", "intact"]]);
    let mut run = PlannedRun::new(text.read()?, plan.sections);
    run.price = Some(PricePlan {
        title,
        variants: made.iter().map(|it| it.of.clone()).collect(),
        slots: plan.slots,
        of_transforms: false,
    });
    Ok(run)
}

/// A pair of transforms that differ in transactions: records of each transaction, or between
/// two commits, and records of a slot.
#[derive(Clone, Copy)]
struct Pair {
    every: u64,
    burst: Burst,
    without: PairSide,
    with: PairSide,
}

/// One side of a pair: its name, and what differs.
type PairSide = (&'static str, &'static str);

const PAIRS: [Pair; 4] = [
    Pair {
        every: 100,
        burst: Burst {
            records: 3000,
            drain_steps: 33,
        },
        without: ("at-least-once-100", "a commit every 100 records"),
        with: ("exactly-once-100", "transactions of 100 records"),
    },
    Pair {
        every: 1,
        burst: Burst {
            records: 150,
            drain_steps: 45,
        },
        without: ("at-least-once-1", "a commit for each record"),
        with: ("exactly-once-1", "a transaction for each record"),
    },
    Pair {
        every: 10,
        burst: Burst {
            records: 1000,
            drain_steps: 39,
        },
        without: ("at-least-once-10", "a commit every 10 records"),
        with: ("exactly-once-10", "transactions of 10 records"),
    },
    Pair {
        every: 1000,
        burst: Burst {
            records: 5000,
            drain_steps: 39,
        },
        without: ("at-least-once-1000", "a commit every 1000 records"),
        with: ("exactly-once-1000", "transactions of 1000 records"),
    },
];

/// A run in which transforms take turns.
fn of_transforms(pairs: &[Pair], rounds: usize) -> Result<PlannedRun, ScenarioError> {
    let title = "Consume, transform, produce: with transactions, and without";
    let both = pairs
        .iter()
        .flat_map(|pair| [(pair, pair.without, false), (pair, pair.with, true)]);
    let both: Vec<(&Pair, PairSide, bool)> = both.collect();
    let names: Vec<&str> = both.iter().map(|(_, of, _)| of.0).collect();
    let bursts: Vec<Burst> = both.iter().map(|(pair, _, _)| pair.burst).collect();
    let plan = schedule(&bursts, &names, rounds, false);
    let mut text = Text::new(
        "price-transactions",
        title,
        "Every record is made once; rates are what is looked at",
    );
    for name in &names {
        for side in ["in", "out"] {
            text.topic(&format!("{side}-{name}"), 1, 1, "{}");
        }
    }
    for (name, rates) in names.iter().zip(&plan.rates) {
        let quick = config(&[("acks", "1"), ("linger.ms", "1")]);
        producer(&mut text, rates, &format!("in-{name}"), None, &quick);
    }
    for (pair, (name, _), with) in &both {
        text.add(&format!(
            "[[transform]]\nname = \"{name}\"\nfrom = \"in-{name}\"\nto = \"out-{name}\"\n\
             records_per_s = 4000000\ncommit_every_records = {}\ntransactions = {with}\n\
             record_bytes = 256\nconfig = {{ \"isolation.level\" = \"read_committed\" }}\n\
             producer_config = {{ acks = \"all\", \"enable.idempotence\" = \"true\", \
             \"linger.ms\" = \"5\" }}",
            pair.every
        ));
        if pair.every == 100 {
            text.reader(&format!("reader-of-{name}"), &format!("out-{name}"));
        }
    }
    text.claims(&[STORED]);
    let variants = both.iter().map(|(pair, (name, differs), with)| Variant {
        name,
        differs,
        base: if *with { pair.without.0 } else { name },
    });
    let variants = variants.collect();
    let mut run = PlannedRun::new(text.read()?, plan.sections);
    run.price = Some(PricePlan {
        title,
        variants,
        slots: plan.slots,
        of_transforms: true,
    });
    Ok(run)
}

/// The runs of the benchmark.
pub(crate) fn runs(scope: Scope) -> Result<Vec<PlannedRun>, ScenarioError> {
    let one_topic = |text: &mut Text| text.topic("orders", 3, 1, "{}");
    let mut all = producers();
    Ok(match scope {
        Scope::Quick => {
            all.truncate(QUICK_PRODUCERS);
            vec![
                of_producers("price", "One broker", &all, 4, one_topic)?,
                of_transforms(&PAIRS[..1], 4)?,
            ]
        }
        Scope::Full => {
            let topics = |text: &mut Text| {
                text.add("[topology]\nbrokers = 3");
                text.topic("one", 3, 1, "{}");
                text.topic("three-1", 3, 3, "{ \"min.insync.replicas\" = \"1\" }");
                text.topic("three-2", 3, 3, "{ \"min.insync.replicas\" = \"2\" }");
            };
            vec![
                of_producers("price", "One broker", &all, 10, one_topic)?,
                of_producers(
                    "price-replicated",
                    "Three brokers",
                    &replicated(),
                    10,
                    topics,
                )?,
                of_transforms(&PAIRS, 8)?,
            ]
        }
    })
}

/// Of one turn: the rate as fast as it goes, and p95 at the fixed rate.
type Figure = (u64, Option<u64>);

/// The rows of a run's table.
pub fn table(plan: &PricePlan, sections: &[Section]) -> Vec<PriceRow> {
    // By variant, by round: the rate and p95 at the fixed rate.
    let mut figures: Vec<Vec<Option<Figure>>> = vec![Vec::new(); plan.variants.len()];
    let mut spilled = vec![0u64; plan.variants.len()];
    for slot in &plan.slots {
        let figure = figure(plan, slot, sections);
        if let (None, Some(count)) = (figure, spilled.get_mut(slot.variant)) {
            *count += 1;
        }
        if let Some(of) = figures.get_mut(slot.variant) {
            if of.len() <= slot.round {
                of.resize(slot.round + 1, None);
            }
            if let Some(place) = of.get_mut(slot.round) {
                *place = figure;
            }
        }
    }
    let rows = plan.variants.iter().enumerate().map(|(at, variant)| {
        let own = figures.get(at).map_or(&[][..], Vec::as_slice);
        let base = plan.variants.iter().position(|it| it.name == variant.base);
        let base = base.filter(|base| *base != at);
        let base = base.and_then(|base| figures.get(base));
        let pairs = |of: fn(&Figure) -> Option<u64>| {
            let pairs = own.iter().zip(base.into_iter().flatten());
            let pairs =
                pairs.filter_map(|(own, base)| Some((of(own.as_ref()?)?, of(base.as_ref()?)?)));
            Ratio::of(pairs)
        };
        PriceRow {
            table: plan.title.to_owned(),
            variant: variant.name.to_owned(),
            differs: variant.differs.to_owned(),
            base: variant.base.to_owned(),
            rates_per_s: own.iter().flatten().map(|it| it.0).collect(),
            fixed_p95_us: own.iter().flatten().filter_map(|it| it.1).collect(),
            spilled: spilled.get(at).copied().unwrap_or(0),
            rate: pairs(|it| Some(it.0)),
            latency: pairs(|it| it.1),
        }
    });
    rows.collect()
}

/// The rate of a slot, and its p95 at the fixed rate; none where not all of it was done in
/// its time.
fn figure(plan: &PricePlan, slot: &Slot, sections: &[Section]) -> Option<Figure> {
    let free = sections.get(slot.free)?;
    let (done, rate) = if plan.of_transforms {
        (free.made, free.processed_per_s)
    } else {
        (free.acknowledged, free.acknowledged_per_s)
    };
    let took_us = free.ended_us.saturating_sub(free.began_us);
    let in_time = done == free.planned && took_us <= slot.free_us;
    let fixed = slot.fixed.and_then(|at| sections.get(at)?.latency);
    in_time.then_some((rate, fixed.map(|it| it.p95_us)))
}
