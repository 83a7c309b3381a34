//! The scenarios that come with the binary.

macro_rules! scenarios {
    ($($name:literal)*) => {
        /// Name and text of each embedded scenario, in the order of running.
        pub const EMBEDDED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../../scenarios/", $name, ".toml"))),)*
        ];
    };
}

scenarios! {
    "broker-restart"
    "broker-kill"
    "consumer-restart"
    "consumer-kill"
    "network-partition"
    "broker-pause"
    "debezium-offset-recovery"
    "debezium-restart-bulk"
    "multiple-consumers"
    "disk-loss"
    "exactly-once"
    "at-least-once"
    "read-uncommitted"
}

/// The text of an embedded scenario.
pub fn embedded(name: &str) -> Option<&'static str> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
