//! What of a scenario could never be carried out, found before anything is
//! started. Knows nothing of where it is to run.

use std::collections::BTreeMap;

use model::plan::ScenarioPlan;
use model::scenario::settings::Misuse;
use model::scenario::{Config, PathStep, Problem, Transactions};
use subject::SubjectError;
use subject::librdkafka_client::config::{RoleKind, check_config};
use subject::protocol::{ConsumerStart, ProducerStart, Start, VERSION};
use subject::role::ClientCommand;

use crate::clients::client_of;
use crate::faults::check_faults;

/// What ackproof sets itself, whatever the client.
const OWN: [&str; 8] = [
    "bootstrap.servers",
    "group.id",
    "enable.auto.commit",
    "transactional.id",
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
];

/// Refuses what could never be carried out before anything is started: what no
/// client of the scenario's could honour, and what the proxy cannot do.
///
/// # Errors
/// The first such thing, and where in the scenario it stands.
pub fn check(plan: &ScenarioPlan) -> Result<(), Problem> {
    let scenario = &plan.scenario;
    for (at, producer) in scenario.producers.iter().enumerate() {
        let place = ["producer".into(), at.into(), "config".into()];
        let client = client_of(producer);
        honoured(&client, &place, RoleKind::Producer, &producer.config, &[])?;
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let place = ["group".into(), at.into(), "config".into()];
        let own = [("group.id", group.name.as_str())];
        let client = client_of(group);
        honoured(&client, &place, RoleKind::Consumer, &group.config, &own)?;
    }
    for (at, transform) in scenario.transforms.iter().enumerate() {
        let place = ["transform".into(), at.into(), "config".into()];
        let own = [("group.id", transform.name.as_str())];
        let client = client_of(transform);
        honoured(&client, &place, RoleKind::Consumer, &transform.config, &own)?;
        let place = ["transform".into(), at.into(), "producer_config".into()];
        let own = match transform.transactions {
            Transactions::On => &[("transactional.id", transform.name.as_str())][..],
            Transactions::Off => &[],
        };
        let config = &transform.producer_config;
        honoured(&client, &place, RoleKind::Producer, config, own)?;
    }
    check_faults(plan)
}

fn honoured(
    client: &ClientCommand,
    place: &[PathStep],
    kind: RoleKind,
    config: &Config,
    own: &[(&str, &str)],
) -> Result<(), Problem> {
    let secrets = config.secrets();
    let scrub = |message: &str| secrets.scrub(message).into_owned();
    if *client == ClientCommand::BuiltIn {
        return check_config(kind, &config.plain(), own).map_err(|error| {
            let message = scrub(&error.to_string());
            match error.place() {
                None => Problem::new(place, message),
                Some((key, true)) => Problem::of_setting(place, key, Misuse::Value(message)),
                Some((key, false)) => Problem::of_setting(place, key, Misuse::Name(message)),
            }
        });
    }
    if let Some(key) = OWN.into_iter().find(|key| config.contains_key(*key)) {
        let message = format!("`{key}` is set by ackproof itself: leave it out");
        return Err(Problem::of_setting(place, key, Misuse::Name(message)));
    }
    let refused = subject::check(client, start(kind, config.plain(), own));
    refused.map_err(|error| match &error {
        SubjectError::Refused { key, reason } => match key {
            Some(key) if config.contains_key(key) => {
                Problem::of_setting(place, key, Misuse::Value(scrub(reason)))
            }
            _ => Problem::new(place, scrub(reason)),
        },
        other => {
            let mut message = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(error) = cause {
                message = format!("{message}: {error}");
                cause = error.source();
            }
            Problem::new(place, scrub(&message))
        }
    })
}

/// A client of that kind, as a driver starts it, connected to nothing.
fn start(kind: RoleKind, config: BTreeMap<String, String>, own: &[(&str, &str)]) -> Start {
    const NOWHERE: (&str, &str) = ("bootstrap.servers", "127.0.0.1:9");
    let mut config = config;
    for (key, value) in own.iter().copied().chain([NOWHERE]) {
        config.insert(key.to_owned(), value.to_owned());
    }
    let mut start = Start {
        protocol: VERSION,
        check: true,
        ..Start::default()
    };
    match kind {
        RoleKind::Producer => start.producer = Some(ProducerStart { config }),
        RoleKind::Consumer => {
            let topics = Vec::new();
            start.consumer = Some(ConsumerStart { config, topics });
        }
    }
    start
}
