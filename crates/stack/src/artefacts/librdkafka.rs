//! librdkafka as a part of the cache.

use super::error::FetchError;
use super::fetcher::ensure;
use super::part::{FetchProgress, Part, PartKind};
use super::recipe::{Recipe, checked};
use crate::cache::Cache;
use crate::librdkafka;
use crate::pip::{Pip, PipError};

/// Brings a version of librdkafka into the cache, unless it is there.
pub(crate) fn fetch_librdkafka(
    cache: &Cache,
    version: &str,
    pip: &dyn Fn() -> Option<Pip>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Part, FetchError> {
    let version = checked(PartKind::Librdkafka, version)?;
    let recipe = Recipe {
        kind: PartKind::Librdkafka,
        name: format!("librdkafka-{version}"),
        cache: cache.clone(),
        // Maven has no part in it.
        profile: "",
        properties: Vec::new(),
        version,
    };
    ensure(&recipe, progress, |scratch, progress| {
        let pip = pip().ok_or_else(|| FetchError::Pip {
            part: recipe.kind,
            version: recipe.version.clone(),
            source: PipError::NoPython,
        })?;
        progress(FetchProgress::Resolving(recipe.kind));
        let log = cache.log(&format!("pip-{}.log", recipe.name));
        librdkafka::make(&pip, &recipe.version, scratch, &log, progress)
    })
}
