//! Kafka's Java client alone, in any version that is published.

use super::error::FetchError;
use super::fetcher::Fetcher;
use super::part::{FetchProgress, Part, PartKind};
use super::recipe::{Recipe, checked};
use super::release_line;
use crate::cache::Cache;
use crate::maven::Maven;

/// The first release that the subject is compiled for.
const OLDEST: &str = "2.8";

/// Brings `kafka-clients` and what it needs at run time into the cache, unless
/// it is there.
pub(crate) fn fetch_kafka_clients(
    cache: &Cache,
    version: &str,
    maven: &dyn Fn() -> Option<Maven>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Part, FetchError> {
    let version = checked(PartKind::KafkaClients, version)?;
    if release_line(&version) < release_line(OLDEST) {
        return Err(FetchError::ClientTooOld {
            version,
            oldest: OLDEST,
        });
    }
    let recipe = Recipe {
        kind: PartKind::KafkaClients,
        name: format!("kafka-clients-{version}"),
        cache: cache.clone(),
        profile: "kafka-clients",
        properties: vec![("kafka.version", version.clone())],
        version,
    };
    Fetcher { cache, maven }.ensure(&recipe, progress)
}
