//! Releases of Kafka and Debezium that a scenario names, because it is about
//! them. Knows nothing of which there are.

use super::Scenario;

/// Releases by name, each where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedReleases {
    /// Kafka's, such as `3.9.1`.
    pub kafka: Option<String>,
    /// Debezium's, such as `3.6.3.Final`.
    pub debezium: Option<String>,
}

impl NamedReleases {
    /// Whether none is named.
    pub const fn is_empty(&self) -> bool {
        self.kafka.is_none() && self.debezium.is_none()
    }
}

impl Scenario {
    /// The releases that it is about.
    pub fn named_releases(&self) -> NamedReleases {
        NamedReleases {
            kafka: self.topology.kafka.clone(),
            debezium: self.capture.as_ref().and_then(|it| it.debezium.clone()),
        }
    }
}

/// The release line of a version: its first two numbers. None where it is no
/// version of Kafka, which has three of them.
pub(super) fn kafka_line(version: &str) -> Option<(u32, u32)> {
    let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    match numbers.ok()?.as_slice() {
        [major, minor, _] => Some((*major, *minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_kafka_has_three_numbers() {
        assert_eq!(kafka_line("3.9.1"), Some((3, 9)));
        for other in ["3.9", "3.9.1.2", "3.9.x", "", "v3.9.1"] {
            assert_eq!(kafka_line(other), None, "{other}");
        }
    }
}
