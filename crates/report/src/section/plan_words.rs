//! A scenario's plan in the report: the model's words with names set off. Knows nothing of
//! results.

use model::scenario::words::{self, Phrase, Word};
use model::scenario::{Effect, Fault, Scenario, Trigger};

use crate::document::{Text, code};

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
    phrases.extend(scenario.app.iter().map(words::app));
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
