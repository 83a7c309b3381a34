//! What a run ran on. Knows nothing of how it is found out.

use std::collections::BTreeMap;

use model::scenario::Config;

/// What a run ran on, as far as a report tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// How many processors, as text ("2"); empty when it is not known.
    pub cpus: String,
    /// How much memory, as text with its unit; empty when it is not known.
    pub memory: String,
    /// Operating system and kernel, as text; empty when it is not known.
    pub os: String,
    /// Configurations in force, as brokers and clients reported them
    /// themselves, by whose they are ("broker-restart: broker 1"). Empty when
    /// nobody asked them. Must not hold secrets.
    pub configurations: BTreeMap<String, Config>,
}
