//! What of a scenario could never be carried out, found before anything is
//! started. Knows nothing of where it is to run.

use model::plan::ScenarioPlan;
use model::scenario::settings::Misuse;
use model::scenario::{Config, Problem, Transactions};
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
        honoured(&place, RoleKind::Producer, &producer.config, &[])?;
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        let place = ["group".into(), at.into(), "config".into()];
        let own = [("group.id", group.name.as_str())];
        honoured(&place, RoleKind::Consumer, &group.config, &own)?;
    }
    for (at, transform) in scenario.transforms.iter().enumerate() {
        let place = ["transform".into(), at.into(), "config".into()];
        let own = [("group.id", transform.name.as_str())];
        honoured(&place, RoleKind::Consumer, &transform.config, &own)?;
        let place = ["transform".into(), at.into(), "producer_config".into()];
        let own = match transform.transactions {
            Transactions::On => &[("transactional.id", transform.name.as_str())][..],
            Transactions::Off => &[],
        };
        honoured(&place, RoleKind::Producer, &transform.producer_config, own)?;
    }
    check_faults(plan)
}

fn honoured(
    place: &[model::scenario::PathStep],
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
