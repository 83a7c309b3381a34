//! The files the stack is made of: fetched once, checked, kept in the cache.
//!
//! Each part (Kafka, Debezium, PostgreSQL) is fetched on its own, into a
//! scratch directory, held against the sums that are part of the program, and
//! only then moved to its place in one step: what is in the cache is complete.
//! Knows nothing of processes other than that Maven brings the files.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::fetcher::Fetcher;
use self::recipe::{Recipe, checked};
use crate::cache::Cache;
use crate::java;
use crate::maven::Maven;

mod error;
mod fetcher;
mod kafka_clients;
mod librdkafka;
mod manifest;
mod part;
mod recipe;
mod unpack;

pub use error::FetchError;
pub(crate) use kafka_clients::fetch_kafka_clients;
pub(crate) use librdkafka::fetch_librdkafka;
pub use part::{FetchProgress, Part, PartKind, Parts, Pinning, Versions};

/// The versions of Kafka that are run: the first and the last line of releases.
pub const KAFKA_SUPPORTED: [&str; 2] = ["3.3", "4.3"];
/// The same of Debezium.
pub const DEBEZIUM_SUPPORTED: [&str; 2] = ["2.1", "3.7"];

/// Refuses versions that ackproof does not run, before anything is fetched. The
/// release line of Kafka, such as `(3, 9)`.
///
/// # Errors
/// [`FetchError::Unsupported`], [`FetchError::BadVersion`], and
/// [`FetchError::NotKafkaHome`].
pub fn supported(request: &ArtefactRequest) -> Result<(u32, u32), FetchError> {
    let kafka = match &request.kafka_home {
        Some(home) => kafka_at_home(home)?.0.version,
        None => request.versions.kafka.clone(),
    };
    let debezium = &request.versions.debezium;
    let mut lines = Vec::new();
    for (part, version, [oldest, newest]) in [
        (PartKind::Kafka, &kafka, KAFKA_SUPPORTED),
        (PartKind::Debezium, debezium, DEBEZIUM_SUPPORTED),
    ] {
        let version = checked(part, version)?;
        let line = release_line(&version);
        lines.extend(line);
        if line < release_line(oldest) || line > release_line(newest) {
            return Err(FetchError::Unsupported {
                part,
                version,
                oldest,
                newest,
            });
        }
    }
    Ok(lines.first().copied().unwrap_or_default())
}

/// The first two numbers of a version; what is none comes before all.
fn release_line(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']).map(|it| it.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct ArtefactRequest {
    /// Which versions.
    pub versions: Versions,
    /// An unpacked Kafka distribution to use in place of a download.
    pub kafka_home: Option<PathBuf>,
    /// How much.
    pub parts: Parts,
}

/// The files of the stack.
#[derive(Clone, Debug)]
pub struct Artefacts {
    /// Kafka.
    pub kafka: Part,
    /// All of Kafka's jars, sorted: Java's archives want the same order each
    /// time.
    pub jars: Vec<PathBuf>,
    /// What change data capture needs, when it was asked for.
    pub cdc: Option<CdcArtefacts>,
    /// Where what is made of them is kept.
    pub(crate) cache: Cache,
}

/// The files for change data capture.
#[derive(Clone, Debug)]
pub struct CdcArtefacts {
    /// Debezium; its path is a directory for Connect's `plugin.path`.
    pub debezium: Part,
    /// PostgreSQL; its path holds `bin`, `lib`, `share`.
    pub postgres: Part,
}

impl Artefacts {
    /// Every part.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let cdc = self.cdc.iter();
        std::iter::once(&self.kafka).chain(cdc.flat_map(|it| [&it.debezium, &it.postgres]))
    }

    /// Adds to a digest what tells these jars from others: paths, sizes and
    /// times, which the JVM compares as well.
    pub(crate) fn add_jars_to(&self, digest: &mut Sha256) {
        for jar in &self.jars {
            digest.update(jar.display().to_string());
            digest.update("\n");
            if let Ok(found) = fs::metadata(jar) {
                digest.update(format!("{} {}\n", found.len(), found.mtime()));
            }
        }
    }

    /// A class path of all jars.
    pub fn class_path(&self) -> std::ffi::OsString {
        let mut path = std::ffi::OsString::new();
        for jar in &self.jars {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(jar);
        }
        path
    }
}

/// Brings everything `request` names into the cache, unless it is there, and
/// says where it is. Blocks; takes milliseconds when all is there.
pub fn fetch(
    cache: &Cache,
    request: &ArtefactRequest,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Artefacts, FetchError> {
    fetch_with(cache, request, find_maven, progress)
}

/// The same with a Maven of the caller's choice; `maven` is asked only when
/// something has to be fetched.
pub fn fetch_with(
    cache: &Cache,
    request: &ArtefactRequest,
    maven: impl Fn() -> Option<Maven>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Artefacts, FetchError> {
    let fetcher = Fetcher {
        cache,
        maven: &maven,
    };
    let versions = &request.versions;
    let (kafka, jars) = if let Some(home) = &request.kafka_home {
        kafka_at_home(home)?
    } else {
        let recipe = Recipe::kafka(cache, versions)?;
        let part = fetcher.ensure(&recipe, progress)?;
        let jars = jars_in(&part.path)?;
        (part, jars)
    };
    let cdc = match request.parts {
        Parts::Kafka => None,
        Parts::KafkaAndCdc => Some(CdcArtefacts {
            debezium: fetcher.ensure(&Recipe::debezium(cache, versions)?, progress)?,
            postgres: fetcher.ensure(&Recipe::postgres(cache, versions)?, progress)?,
        }),
    };
    Ok(Artefacts {
        kafka,
        jars,
        cdc,
        cache: cache.clone(),
    })
}

/// What of `request` is in the cache already, part by part. Fetches nothing.
///
/// # Errors
/// As [`fetch`], for a request that could never be fetched.
pub fn look(
    cache: &Cache,
    request: &ArtefactRequest,
) -> Result<Vec<(PartKind, Option<Part>)>, FetchError> {
    let mut found = Vec::new();
    if let Some(home) = &request.kafka_home {
        found.push((PartKind::Kafka, Some(kafka_at_home(home)?.0)));
    } else {
        let recipe = Recipe::kafka(cache, &request.versions)?;
        found.push((PartKind::Kafka, recipe.present()));
    }
    if request.parts == Parts::KafkaAndCdc {
        let debezium = Recipe::debezium(cache, &request.versions)?;
        let postgres = Recipe::postgres(cache, &request.versions)?;
        found.push((PartKind::Debezium, debezium.present()));
        found.push((PartKind::Postgres, postgres.present()));
    }
    Ok(found)
}

/// What [`fetch`] would return, if all of it is in the cache. Fetches nothing.
pub fn present(cache: &Cache, request: &ArtefactRequest) -> Option<Artefacts> {
    let no_maven = || None;
    let all_there = look(cache, request)
        .ok()?
        .iter()
        .all(|(_, part)| part.is_some());
    all_there
        .then(|| fetch_with(cache, request, no_maven, &mut |_| {}).ok())
        .flatten()
}

/// The `mvn` in `PATH`, helped to a Java where it would find none itself.
pub(crate) fn find_maven() -> Option<Maven> {
    let path = env::var_os("PATH");
    let maven = Maven::find(path.as_deref())?;
    let finds_java_itself = env::var_os("JAVA_HOME").is_some()
        || path
            .iter()
            .flat_map(env::split_paths)
            .any(|dir| dir.join("java").is_file());
    Some(match java::find_java() {
        Ok(java) if !finds_java_itself => maven.with_java_home(java.home),
        _ => maven,
    })
}

fn kafka_at_home(home: &Path) -> Result<(Part, Vec<PathBuf>), FetchError> {
    let not_kafka = || FetchError::NotKafkaHome {
        path: home.to_owned(),
    };
    let home = home.canonicalize().map_err(|_| not_kafka())?;
    let libs = home.join("libs");
    let jars = jars_in(&libs).map_err(|_| not_kafka())?;
    let version = jars
        .iter()
        .filter_map(|jar| jar.file_stem()?.to_str())
        .filter_map(|stem| stem.strip_prefix("kafka_")?.split_once('-'))
        .map(|(_, version)| version.to_owned())
        .next()
        .ok_or_else(not_kafka)?;
    let part = Part {
        kind: PartKind::Kafka,
        version,
        path: libs,
        pinning: Pinning::Unpinned,
    };
    Ok((part, jars))
}

pub(crate) fn jars_in(dir: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let io_error = |source| FetchError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut jars = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_some_and(|it| it == "jar") {
            jars.push(path);
        }
    }
    jars.sort();
    Ok(jars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksums::Checksums;

    #[test]
    fn the_default_versions_are_pinned_on_every_platform() {
        let versions = Versions::default();
        let mut names = vec![
            format!("kafka-{}", versions.kafka),
            format!("debezium-{}", versions.debezium),
        ];
        for platform in ["linux-amd64", "linux-arm64v8"] {
            names.push(format!("postgres-{}-{platform}", versions.postgres));
        }
        for name in names {
            assert!(Checksums::embedded(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_version_cannot_leave_its_place() {
        for bad in ["", "../4.3.1", "4.3.1/..", "-Dx=y", ".4", "4 3"] {
            assert!(checked(PartKind::Kafka, bad).is_err(), "{bad}");
        }
        assert_eq!(
            checked(PartKind::Debezium, "3.7.0.Final").unwrap(),
            "3.7.0.Final"
        );
    }
}
