//! What of a scenario could never be carried out, found before anything is
//! started. Knows nothing of where it is to run.

use model::plan::ScenarioPlan;
use model::scenario::client::{ClientSpec, Library};
use model::scenario::settings::{Misuse, Whose, misuse_of_java};
use model::scenario::{Config, PathStep, Problem, Transactions};
use subject::config::{RoleKind, check_config};

use crate::faults::check_faults;

/// Refuses what could never be carried out before anything is started: what no
/// client of the scenario's could honour, and what the proxy cannot do.
///
/// # Errors
/// The first such thing, and where in the scenario it stands.
pub fn check(plan: &ScenarioPlan) -> Result<(), Problem> {
    let scenario = &plan.scenario;
    for (at, producer) in scenario.producers.iter().enumerate() {
        let place = ["producer".into(), at.into(), "config".into()];
        let (client, config) = (&producer.client, &producer.config);
        honoured(&place, client, RoleKind::Producer, config, &[])?;
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let place = ["group".into(), at.into(), "config".into()];
        let own = [("group.id", group.name.as_str())];
        honoured(
            &place,
            &group.client,
            RoleKind::Consumer,
            &group.config,
            &own,
        )?;
    }
    for (at, transform) in scenario.transforms.iter().enumerate() {
        let place = ["transform".into(), at.into(), "config".into()];
        let own = [("group.id", transform.name.as_str())];
        let client = &transform.client;
        honoured(&place, client, RoleKind::Consumer, &transform.config, &own)?;
        let place = ["transform".into(), at.into(), "producer_config".into()];
        let own = match transform.transactions {
            Transactions::On => &[("transactional.id", transform.name.as_str())][..],
            Transactions::Off => &[],
        };
        let config = &transform.producer_config;
        honoured(&place, client, RoleKind::Producer, config, own)?;
    }
    check_faults(plan)
}

/// A program of the user's says itself, later, what it does not take.
fn honoured(
    place: &[PathStep],
    client: &ClientSpec,
    kind: RoleKind,
    config: &Config,
    own: &[(&str, &str)],
) -> Result<(), Problem> {
    match client.library() {
        Some(Library::Librdkafka) => honoured_by_librdkafka(place, kind, config, own),
        Some(Library::Java) => {
            let whose = match kind {
                RoleKind::Producer => Whose::Producer,
                RoleKind::Consumer => Whose::Consumer,
            };
            match misuse_of_java(whose, config) {
                Some((key, misuse)) => Err(Problem::of_setting(place, key, misuse)),
                None => Ok(()),
            }
        }
        None => Ok(()),
    }
}

fn honoured_by_librdkafka(
    place: &[PathStep],
    kind: RoleKind,
    config: &Config,
    own: &[(&str, &str)],
) -> Result<(), Problem> {
    check_config(kind, &config.plain(), own).map_err(|error| {
        let message = config.secrets().scrub(&error.to_string()).into_owned();
        match error.place() {
            None => Problem::new(place, message),
            Some((key, true)) => Problem::of_setting(place, key, Misuse::Value(message)),
            Some((key, false)) => Problem::of_setting(place, key, Misuse::Name(message)),
        }
    })
}
