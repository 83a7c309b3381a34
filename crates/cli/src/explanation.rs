//! A scenario's plan in words, for readers who know Kafka and not ackproof.
//! Pure; nothing in it has happened yet.

use cdc::form::Form;
use model::claim::{Guarantee, Level, Traffic};
use model::event::SettingEffect;
use model::plan::ScenarioPlan;
use model::scenario::client::ClientSpec;
use model::scenario::defaults::{ClientKind, unset};
use model::scenario::words::{self, duration_ms};
use model::scenario::{Capture, Config, Effect, Fault, Scenario};

use crate::text::Page;

/// Whether the delays drawn from the seed are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// The plan's own.
    Given(u64),
    /// The user named none: only the bounds can be told.
    Open,
}

/// Explains a plan.
pub(crate) fn explain(page: &mut Page, plan: &ScenarioPlan, seed: Seed) {
    let scenario = &plan.scenario;
    page.title(
        &scenario.name,
        &format!(": {} (suite {})", scenario.title, scenario.suite),
    );
    let demonstrates = |it: &Guarantee| it.level == Level::ExpectViolated;
    let criterion = if scenario.guarantees.iter().any(demonstrates) {
        "What it shows"
    } else {
        "What must hold"
    };
    let intent = [
        ("Why", &scenario.why),
        (criterion, &scenario.criterion),
        ("What to expect", &scenario.expected),
    ];
    for (title, words) in intent.into_iter().filter(|(_, words)| !words.is_empty()) {
        page.heading(title);
        page.item(words);
    }
    what_runs(page, scenario);
    what_is_sent(page, scenario);
    who_reads_and_writes(page, scenario);
    who_reads(page, scenario);
    what_is_broken(page, plan, seed);
    what_has_to_happen(page, scenario);
    what_is_claimed(page, scenario);
    how_long(page, plan);
}

/// What a client is configured with, and what it does where nothing is set.
fn client(page: &mut Page, kind: ClientKind, client: &ClientSpec, config: &Config) {
    settings(page, config);
    let unset: Vec<String> = unset(kind, client, config)
        .map(|it| format!("{} {}", it.key, it.words()))
        .collect();
    let words = if client.library().is_none() {
        format!("client {client}: what is not set is its own default")
    } else {
        format!(
            "client {client}; not set, and so here: {}",
            unset.join(", ")
        )
    };
    page.prose_after("      ", "        ", &words);
}

fn settings(page: &mut Page, config: &Config) {
    let key_chars = config.keys().map(|key| key.chars().count()).max();
    let key_chars = key_chars.unwrap_or(0);
    for (key, value) in config {
        page.line(&format!("      {key:key_chars$} = {value}"));
    }
}

fn what_runs(page: &mut Page, scenario: &Scenario) {
    page.heading("What runs");
    page.item(&words::cluster(&scenario.topology).to_string());
    settings(page, &scenario.topology.config);
    for topic in &scenario.topics {
        page.item(&words::topic(topic).to_string());
        settings(page, &topic.config);
    }
    if let Some(app) = &scenario.app {
        page.item(&words::app(app).to_string());
    }
    for quota in &scenario.quotas {
        page.item(&words::quota(quota).to_string());
        settings(page, &quota.config);
    }
    if let Some(capture) = &scenario.capture {
        what_captures(page, capture);
    }
}

fn what_captures(page: &mut Page, capture: &Capture) {
    page.item(&words::database().to_string());
    settings(page, &capture.worker_config);
    settings(page, &capture.database_config);
    page.item(&words::connector(capture).to_string());
    settings(page, &capture.config);
    for setting in Form::of(capture).settings {
        let words = format!(
            "{}: {}",
            setting.description,
            match setting.effect {
                SettingEffect::Move => {
                    "events may go to topics that ackproof does not read; one that is not found \
                     is then called neither lost nor late, but INCONCLUSIVE"
                }
                SettingEffect::Drop => {
                    "events may be left out; a committed change without its event is missing all \
                     the same"
                }
                SettingEffect::Reshape => {
                    "events may have a form that ackproof does not read, which makes the scenario \
                     INCONCLUSIVE"
                }
                SettingEffect::Rekey => {
                    "events may have other keys than their rows, which makes no-state-divergence \
                     INCONCLUSIVE"
                }
            }
        );
        page.prose("      ", &words);
    }
}

fn what_is_sent(page: &mut Page, scenario: &Scenario) {
    page.heading(if scenario.producers.is_empty() {
        "What is written"
    } else {
        "What is sent"
    });
    for (producer, number) in scenario.producers.iter().zip(0..) {
        page.item(&words::producer(producer, number).to_string());
        client(
            page,
            ClientKind::Producer,
            &producer.client,
            &producer.config,
        );
    }
    for write in &scenario.writes {
        page.item(&words::write(write).to_string());
    }
}

fn who_reads_and_writes(page: &mut Page, scenario: &Scenario) {
    if scenario.transforms.is_empty() {
        return;
    }
    page.heading("Who reads and writes");
    for transform in &scenario.transforms {
        page.item(&words::transform(transform).to_string());
        page.line("    as a consumer:");
        let (of, config) = (&transform.client, &transform.config);
        client(page, ClientKind::Consumer, of, config);
        page.line("    as a producer:");
        client(page, ClientKind::Producer, of, &transform.producer_config);
    }
}

fn who_reads(page: &mut Page, scenario: &Scenario) {
    if scenario.groups.is_empty() {
        return;
    }
    page.heading("Who reads");
    for group in &scenario.groups {
        page.item(&words::group(group).to_string());
        client(page, ClientKind::Consumer, &group.client, &group.config);
    }
}

fn what_is_broken(page: &mut Page, plan: &ScenarioPlan, seed: Seed) {
    page.heading("What is broken");
    if plan.scenario.faults.is_empty() {
        page.item("nothing");
    }
    let contract = plan.contract();
    let faults = plan.scenario.faults.iter().zip(&plan.fault_delays_ms);
    for (((fault, delay_ms), contract), number) in faults.zip(&contract.faults).zip(1..) {
        let parameters = fault.kind.parameters();
        let words = format!(
            "{number}. {}{}: {}",
            words::trigger(&fault.after),
            delay_words(fault, *delay_ms, seed),
            parameters.words(&plan.scenario)
        );
        page.prose_after("  ", "     ", &words);
        let words = format!(
            "It counts only with evidence: {}; and {}. Without it the scenario is INCONCLUSIVE.",
            parameters.evidence(&plan.scenario),
            traffic_words(&contract.meets)
        );
        page.prose("     ", &words);
        if fault.effect == Effect::None {
            page.prose(
                "     ",
                "Planned without effect: all is done but the breaking itself, to prove that this \
                 is noticed.",
            );
        }
    }
}

fn delay_words(fault: &Fault, delay_ms: u64, seed: Seed) -> String {
    let fixed_ms = fault.delay_ms;
    match (fault.jitter_ms, seed) {
        (0, _) if fixed_ms == 0 => String::new(),
        (0, _) => format!(" and {fixed_ms} ms more"),
        (_, Seed::Given(seed)) => format!(" and {delay_ms} ms more (seed {seed})"),
        (jitter_ms, Seed::Open) => format!(
            " and {fixed_ms} to {} ms more (drawn from the seed)",
            fixed_ms + jitter_ms
        ),
    }
}

fn traffic_words(meets: &Traffic) -> String {
    match meets {
        Traffic::Any => {
            "a send was under way or attempted while it lasted, or a record was processed, a \
             position committed, a row change committed or on its way"
                .to_owned()
        }
        Traffic::Reads { group } => {
            format!("there were records for {group} to read while it lasted")
        }
        Traffic::Changes => "committed changes were on their way while it lasted".to_owned(),
    }
}

fn what_has_to_happen(page: &mut Page, scenario: &Scenario) {
    let occurrences = scenario.occurrences();
    if occurrences.is_empty() {
        return;
    }
    page.heading("What has to happen, or nothing is HELD");
    for occurrence in occurrences {
        let of = occurrence
            .topic
            .map_or_else(String::new, |topic| format!(" in {topic}"));
        page.item(&format!(
            "{}{of}: {}",
            occurrence.kind,
            occurrence.kind.meaning()
        ));
    }
}

fn what_is_claimed(page: &mut Page, scenario: &Scenario) {
    page.heading("What is claimed");
    let claim_chars = scenario
        .guarantees
        .iter()
        .map(|guarantee| guarantee.claim.name().len())
        .max()
        .unwrap_or(0);
    for guarantee in &scenario.guarantees {
        let lead = format!(
            "  {:16}  {:claim_chars$}  ",
            level_words(guarantee.level),
            guarantee.claim
        );
        let indent = " ".repeat(lead.len());
        let words = format!("{}{}", guarantee.claim.meaning(), limit_words(guarantee));
        page.prose_after(&lead, &indent, &words);
    }
}

const fn level_words(level: Level) -> &'static str {
    match level {
        Level::Required => "required",
        Level::Observed => "only observed",
        Level::ExpectViolated => "must be VIOLATED",
    }
}

fn limit_words(guarantee: &Guarantee) -> String {
    guarantee
        .limit_ms
        .map_or_else(String::new, |ms| format!(" (limit {})", duration_ms(ms)))
}

fn how_long(page: &mut Page, plan: &ScenarioPlan) {
    page.heading("How long");
    let schedule = match plan.schedule_ms() {
        0 => "As long as the work takes: nothing in it has a pace of its own".to_owned(),
        ms => format!(
            "At least {}, from its configured rates and pauses",
            duration_ms(ms)
        ),
    };
    page.prose(
        "  ",
        &format!(
            "{schedule}; starting the stack and reading everything back come on top. After traffic has ended, readers get up to {} to reach the end.",
            duration_ms(plan.scenario.drain_timeout_ms)
        ),
    );
}
