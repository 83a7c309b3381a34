//! The configurations in force, as brokers, connectors and clients report
//! them: evidence for the run directory. Secrets are not shown in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use model::event::Cleanup;
use model::scenario::Config;
use wire::{ConfigValue, Configs};

use crate::error::EngineError;

/// The name of the file in a scenario's folder.
pub const FILE_NAME: &str = "configs.json";

/// The key of a client's name and version, among its settings.
pub const CLIENT: &str = "client";

/// The key that lists those of a client's settings that were set, separated by
/// `, `. The others are the client's own defaults.
pub const SET: &str = "client.set";

type ByOwner = BTreeMap<String, Config>;

/// Collects configurations by whose they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct EffectiveConfigs {
    all: Arc<Mutex<ByOwner>>,
}

impl EffectiveConfigs {
    /// Sets what `who` says of itself.
    pub(crate) fn set(&self, owner: &str, config: Config) {
        self.lock().insert(owner.to_owned(), config);
    }

    /// Sets what a broker says, of itself or of a topic.
    pub(crate) fn set_entries(&self, owner: &str, configs: &Configs) {
        let config = configs
            .iter()
            .filter_map(|(key, entry)| match &entry.value {
                ConfigValue::Known(value) => Some((key.clone(), value.clone())),
                ConfigValue::Unset | ConfigValue::Sensitive => None,
            })
            .collect();
        self.set(owner, config);
    }

    /// Writes them all into a scenario's folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), EngineError> {
        let path = folder.join(FILE_NAME);
        let text = serde_json::to_string_pretty(&*self.lock())
            .map_err(|error| EngineError::Broken(error.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(|source| EngineError::Write { path, source })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ByOwner> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a topic's configuration in force lets its brokers take away: nothing
/// is said where the policy is none that we know.
pub(crate) fn cleanup_policy(topic: &Configs) -> Option<Cleanup> {
    let ConfigValue::Known(policies) = &topic.get("cleanup.policy")?.value else {
        return None;
    };
    let mut policies: Vec<&str> = policies.split(',').map(str::trim).collect();
    policies.sort_unstable();
    match policies.as_slice() {
        ["delete"] => Some(Cleanup::Delete),
        ["compact"] => Some(Cleanup::Compact),
        ["compact", "delete"] => Some(Cleanup::CompactAndDelete),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{ConfigEntry, ConfigSource};

    #[test]
    fn what_may_be_taken_out_of_a_topic_is_its_cleanup_policy() {
        let of = |policy: &str| {
            let entry = ConfigEntry {
                value: ConfigValue::Known(policy.to_owned()),
                source: ConfigSource::Topic,
            };
            cleanup_policy(&Configs::from([("cleanup.policy".to_owned(), entry)]))
        };
        assert_eq!(of("delete"), Some(Cleanup::Delete));
        assert_eq!(of("compact"), Some(Cleanup::Compact));
        assert_eq!(of("compact,delete"), Some(Cleanup::CompactAndDelete));
        assert_eq!(of("delete, compact"), Some(Cleanup::CompactAndDelete));
        assert_eq!(of("shrink"), None);
        assert_eq!(cleanup_policy(&Configs::new()), None);
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let configs = EffectiveConfigs::default();
        let keys = ["ssl.key.pem", "acks"];
        let config = keys.map(|key| (key.to_owned(), "value".to_owned()));
        configs.set("someone", Config::from(config));
        configs.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["someone"]["acks"], "value");
        assert_eq!(read["someone"]["ssl.key.pem"], "[hidden]");
    }
}
