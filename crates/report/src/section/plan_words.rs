//! A scenario's plan in the report: the model's words with names set off, and everything
//! that is configured. Knows nothing of results.

use model::scenario::words::{self, Phrase, Word};
use model::scenario::{Config, Effect, Fault, Scenario, Trigger};

use crate::document::{Table, Text, code, text};

/// The cluster, the clients and their traffic.
pub(crate) fn traffic(scenario: &Scenario) -> Vec<Text> {
    let mut phrases = vec![words::cluster(&scenario.topology)];
    phrases.extend(scenario.topics.iter().map(words::topic));
    phrases.extend(scenario.quotas.iter().map(words::quota));
    if let Some(capture) = &scenario.capture {
        phrases.extend([words::database(), words::connector(capture)]);
    }
    let producers = scenario.producers.iter().zip(0..);
    phrases.extend(producers.map(|(it, number)| words::producer(it, number)));
    phrases.extend(scenario.writes.iter().map(words::write));
    phrases.extend(scenario.transforms.iter().map(words::transform));
    phrases.extend(scenario.groups.iter().map(words::group));
    phrases.iter().map(phrase).collect()
}

/// A fault in words.
pub(crate) fn fault(fault: &Fault, scenario: &Scenario) -> Text {
    let mut text = phrase(&fault.kind.parameters().words(scenario));
    if fault.effect == Effect::None {
        text.push(" (planned without effect: everything is done but the breaking itself)");
    }
    text
}

/// When something happens.
pub(crate) fn trigger(trigger: &Trigger) -> Text {
    phrase(&words::trigger(trigger))
}

/// The same words, with the names set off.
fn phrase(phrase: &Phrase) -> Text {
    let mut text = Text::default();
    for word in phrase.words() {
        match word {
            Word::Plain(words) => text.push(words.as_str()),
            Word::Name(name) => text.push(code(name)),
        }
    }
    text
}

/// Everything that the plan sets, one line for each key.
pub(crate) fn configuration(scenario: &Scenario) -> Table {
    let mut table = Table::new(["Of", "Key", "Value"]);
    let mut add = |of: &Text, config: &Config| {
        for (key, value) in config {
            table.row([of.clone(), text![code(key)], text![code(value)]]);
        }
    };
    add(&text!["brokers"], &scenario.topology.config);
    let features = &scenario.topology.features;
    let features = features
        .iter()
        .map(|(name, level)| (name.clone(), level.to_string()));
    add(&text!["features"], &features.collect());
    for topic in &scenario.topics {
        add(&text!["topic ", code(&topic.name)], &topic.config);
    }
    for (it, number) in scenario.producers.iter().zip(0..) {
        add(&text![format!("producer p{number}")], &it.config);
    }
    for transform in &scenario.transforms {
        let name = || code(&transform.name);
        add(&text!["group ", name()], &transform.config);
        let of = text!["producers of ", name()];
        add(&of, &transform.producer_config);
    }
    for group in &scenario.groups {
        add(&text!["group ", code(&group.name)], &group.config);
    }
    if let Some(capture) = &scenario.capture {
        add(
            &text!["connector ", code(&capture.connector)],
            &capture.config,
        );
        add(&text!["Connect worker"], &capture.worker_config);
    }
    table
}
