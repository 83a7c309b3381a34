//! The catalogue is held to its word: the history of each definition shows its
//! anomaly exactly once, and its twin shows nothing.

use model::anomaly::Anomaly;

use crate::notation::history;
use crate::story::{found, story_of};

fn check(text: &str) -> Vec<(Anomaly, u64)> {
    found(&story_of(history(text)).check())
}

#[test]
fn the_history_of_each_definition_shows_its_anomaly_once() {
    for anomaly in Anomaly::ALL {
        let definition = anomaly.definition();
        let mut expected: Vec<(Anomaly, u64)> = definition
            .found_too
            .iter()
            .chain([anomaly])
            .map(|it| (*it, 1))
            .collect();
        expected.sort_unstable();
        let found = check(definition.history);
        assert_eq!(found, expected, "{anomaly}:\n{}", definition.history);
    }
}

#[test]
fn the_twin_of_each_definition_is_clean() {
    for anomaly in Anomaly::ALL {
        let twin = anomaly.definition().twin;
        assert_eq!(check(twin), [], "{anomaly}:\n{twin}");
    }
}
