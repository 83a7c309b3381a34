//! What of a scenario could never be carried out, found before anything is
//! started. Knows nothing of where it is to run.

use std::collections::BTreeMap;

use model::plan::ScenarioPlan;
use model::scenario::client::{ClientSpec, Library, Release};
use model::scenario::settings::{self, Misuse, Whose};
use model::scenario::{Config, PathStep, Problem, Transactions};
use subject::SubjectError;
use subject::librdkafka_client::config::{RoleKind, built_in_version, check_config};
use subject::protocol::{ConsumerStart, ProducerStart, Start, VERSION};
use subject::role::ClientCommand;

use crate::app::check_app;
use crate::clients::Clients;
use crate::faults::check_faults;

/// Refuses what could never be carried out before anything is started or
/// fetched: what no client of the scenario's could honour, as far as tables
/// tell, and what the proxy cannot do.
///
/// # Errors
/// The first such thing, and where in the scenario it stands.
pub fn check(plan: &ScenarioPlan) -> Result<(), Problem> {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is of one lifetime, and the closure of all"
    )]
    each_config(plan, |asked| asked.known())?;
    check_app(plan)?;
    check_faults(plan)
}

/// Refuses what a client itself does not take, once it is there to be asked.
/// Java's definitions are in a table, which [`check`] has used.
///
/// # Errors
/// As [`check`].
pub fn check_with(plan: &ScenarioPlan, clients: &Clients) -> Result<(), Problem> {
    each_config(plan, |asked| match asked.client.library() {
        Some(Library::Java) => Ok(()),
        Some(Library::Librdkafka) | None => match clients.of(asked.client) {
            ClientCommand::BuiltIn => Ok(()),
            command => asked.taken_by(&command),
        },
    })
}

/// What a client is to be configured with.
struct Asked<'p> {
    client: &'p ClientSpec,
    /// Where it stands in the scenario.
    place: &'p [PathStep],
    kind: RoleKind,
    config: &'p Config,
    /// What is set beside it.
    own: &'p [(&'p str, &'p str)],
}

fn each_config(
    plan: &ScenarioPlan,
    check: impl Fn(&Asked<'_>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let scenario = &plan.scenario;
    for (at, producer) in scenario.producers.iter().enumerate() {
        check(&Asked {
            client: &producer.client,
            place: &["producer".into(), at.into(), "config".into()],
            kind: RoleKind::Producer,
            config: &producer.config,
            own: &[],
        })?;
    }
    for (at, group) in scenario.groups.iter().enumerate() {
        check(&Asked {
            client: &group.client,
            place: &["group".into(), at.into(), "config".into()],
            kind: RoleKind::Consumer,
            config: &group.config,
            own: &[("group.id", group.name.as_str())],
        })?;
    }
    for (at, transform) in scenario.transforms.iter().enumerate() {
        check(&Asked {
            client: &transform.client,
            place: &["transform".into(), at.into(), "config".into()],
            kind: RoleKind::Consumer,
            config: &transform.config,
            own: &[("group.id", transform.name.as_str())],
        })?;
        let id = [("transactional.id", transform.name.as_str())];
        check(&Asked {
            client: &transform.client,
            place: &["transform".into(), at.into(), "producer_config".into()],
            kind: RoleKind::Producer,
            config: &transform.producer_config,
            own: match transform.transactions {
                Transactions::On => &id,
                Transactions::Off => &[],
            },
        })?;
    }
    Ok(())
}

impl Asked<'_> {
    /// By what is known of the client without it.
    fn known(&self) -> Result<(), Problem> {
        let of_setting = |key: &str, misuse| Err(Problem::of_setting(self.place, key, misuse));
        let whose = match self.kind {
            RoleKind::Producer => Whose::Producer,
            RoleKind::Consumer => Whose::Consumer,
        };
        if *self.client == ClientSpec::BuiltIn || self.is_older_librdkafka() {
            let checked = check_config(self.kind, &self.config.plain(), self.own);
            let Err(error) = checked else {
                return Ok(());
            };
            let message = self.scrub(&error.to_string());
            match error.place() {
                Some((key, false)) => return of_setting(key, Misuse::Name(message)),
                // What an old version takes, it says itself.
                _ if self.is_older_librdkafka() => {}
                Some((key, true)) => return of_setting(key, Misuse::Value(message)),
                None => return Err(Problem::new(self.place, message)),
            }
        }
        if let Some((key, misuse)) = settings::set_by_us(self.config) {
            return of_setting(key, misuse);
        }
        if self.client.library() == Some(Library::Java)
            && let Some((key, misuse)) = settings::first_misuse(whose, self.config)
        {
            return of_setting(key, misuse);
        }
        Ok(())
    }

    /// Whether it is a version of librdkafka before the one that is built in, which
    /// knows all of its names.
    fn is_older_librdkafka(&self) -> bool {
        let numbers = |version: &str| -> Vec<u32> {
            let parts = version.split('.').map_while(|part| part.parse().ok());
            parts.collect()
        };
        matches!(self.client, ClientSpec::Librdkafka(Release::Version(version))
            if numbers(version) < numbers(&built_in_version()))
    }

    /// By the client itself.
    fn taken_by(&self, client: &ClientCommand) -> Result<(), Problem> {
        let refused = subject::check(client, start(self.kind, self.config.plain(), self.own));
        refused.map_err(|error| match &error {
            SubjectError::Refused { key, reason } => match key {
                Some(key) if self.config.contains_key(key) => {
                    Problem::of_setting(self.place, key, Misuse::Value(self.scrub(reason)))
                }
                _ => Problem::new(self.place, self.scrub(reason)),
            },
            other => {
                let mut message = other.to_string();
                let mut cause = std::error::Error::source(other);
                while let Some(error) = cause {
                    message = format!("{message}: {error}");
                    cause = error.source();
                }
                Problem::new(self.place, self.scrub(&message))
            }
        })
    }

    fn scrub(&self, message: &str) -> String {
        self.config.secrets().scrub(message).into_owned()
    }
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
