//! How to make one part of the stack: which version, from where, into which place
//! in the cache.

use std::env;

use super::error::FetchError;
use super::manifest::Manifest;
use super::part::{Part, PartKind, Pinning, Versions};
use crate::cache::{Cache, shared_dir};
use crate::checksums::Checksums;

/// How to make one part.
pub(super) struct Recipe {
    pub(super) kind: PartKind,
    pub(super) version: String,
    /// Its name in the cache, and of its sums.
    pub(super) name: String,
    /// The cache it goes to: see [`shared_dir`].
    pub(super) cache: Cache,
    pub(super) profile: &'static str,
    pub(super) properties: Vec<(&'static str, String)>,
}

impl Recipe {
    pub(super) fn kafka(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Kafka, &versions.kafka)?;
        Ok(Self {
            kind: PartKind::Kafka,
            name: format!("kafka-{version}"),
            cache: cache.clone(),
            profile: "kafka",
            properties: vec![("kafka.version", version.clone())],
            version,
        })
    }

    pub(super) fn debezium(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Debezium, &versions.debezium)?;
        Ok(Self {
            kind: PartKind::Debezium,
            name: format!("debezium-{version}"),
            cache: cache.clone(),
            profile: "debezium",
            properties: vec![("debezium.version", version.clone())],
            version,
        })
    }

    pub(super) fn postgres(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Postgres, &versions.postgres)?;
        let platform = postgres_platform()?;
        Ok(Self {
            kind: PartKind::Postgres,
            name: format!("postgres-{version}-{platform}"),
            // Root's PostgreSQL runs as someone else, who cannot be expected
            // to get into root's home.
            cache: if rustix::process::geteuid().is_root() {
                Cache::at(shared_dir()?)
            } else {
                cache.clone()
            },
            profile: "postgres",
            properties: vec![
                ("postgres.version", version.clone()),
                ("postgres.platform", platform.to_owned()),
            ],
            version,
        })
    }

    pub(super) fn sums(&self) -> Option<Checksums> {
        Checksums::embedded(&self.name)
    }

    /// The part, if it is in the cache, complete, and was held against the
    /// sums that this program has.
    pub(super) fn present(&self) -> Option<Part> {
        let path = self.cache.part(&self.name);
        let manifest = Manifest::read(&path)?;
        let sums = self.sums();
        if manifest.sums != sums.as_ref().map(Checksums::digest) || !manifest.is_complete(&path) {
            return None;
        }
        Some(Part {
            kind: self.kind,
            version: self.version.clone(),
            path,
            pinning: if sums.is_some() {
                Pinning::Verified
            } else {
                Pinning::Unpinned
            },
        })
    }
}

/// A version becomes part of a path and of a command line.
pub(super) fn checked(part: PartKind, version: &str) -> Result<String, FetchError> {
    let starts_well = version.starts_with(|it: char| it.is_ascii_alphanumeric());
    let is_plain = version
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || "._-".contains(it));
    if starts_well && is_plain {
        Ok(version.to_owned())
    } else {
        Err(FetchError::BadVersion {
            part,
            version: version.to_owned(),
        })
    }
}

fn postgres_platform() -> Result<&'static str, FetchError> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-amd64"),
        ("linux", "aarch64") => Ok("linux-arm64v8"),
        (os, arch) => Err(FetchError::NoPostgres { os, arch }),
    }
}
