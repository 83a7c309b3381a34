//! Makes a part of the stack and moves it to its place in the cache in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::FetchError;
use super::manifest::{MANIFEST, Manifest};
use super::part::{FetchProgress, Part, PartKind};
use super::recipe::Recipe;
use super::unpack::{unpack_only, unpack_tar_gz, unpack_txz_in_jar};
use crate::cache::Cache;
use crate::checksums::Checksums;
use crate::maven::{Maven, MavenError};
use crate::temp_dir::{TempDir, lock_file, make_readable};

pub(super) struct Fetcher<'a> {
    pub(super) cache: &'a Cache,
    pub(super) maven: &'a dyn Fn() -> Option<Maven>,
}

impl Fetcher<'_> {
    pub(super) fn ensure(
        &self,
        recipe: &Recipe,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<Part, FetchError> {
        ensure(recipe, progress, |scratch, progress| {
            self.make(recipe, scratch, progress)
        })
    }

    fn make(
        &self,
        recipe: &Recipe,
        scratch: &Path,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<PathBuf, FetchError> {
        let maven_error = |source| FetchError::Maven {
            part: recipe.kind,
            version: recipe.version.clone(),
            source,
        };
        let maven = (self.maven)().ok_or_else(|| maven_error(MavenError::NotInstalled))?;
        let download = scratch.join("download");

        progress(FetchProgress::Resolving(recipe.kind));
        let log = self.cache.log(&format!("maven-{}.log", recipe.name));
        let properties: Vec<_> = recipe
            .properties
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        maven
            .copy(recipe.profile, &properties, &download, scratch, &log)
            .map_err(maven_error)?;

        let sums = recipe.sums();
        if let Some(sums) = &sums {
            progress(FetchProgress::Checking(recipe.kind));
            sums.verify(&download)
                .map_err(|source| FetchError::Checksums {
                    part: recipe.kind,
                    version: recipe.version.clone(),
                    source,
                })?;
        }

        Ok(match recipe.kind {
            PartKind::Kafka | PartKind::KafkaClients | PartKind::Librdkafka => download,
            PartKind::Debezium => {
                progress(FetchProgress::Unpacking(recipe.kind));
                unpack_only(&download, &scratch.join("unpacked"), unpack_tar_gz)?
            }
            PartKind::Postgres => {
                progress(FetchProgress::Unpacking(recipe.kind));
                unpack_only(&download, &scratch.join("unpacked"), unpack_txz_in_jar)?
            }
        })
    }
}

/// The part that a recipe is for: from the cache, or made by `make`, which is
/// given a scratch directory and leaves the part in a directory below it.
pub(super) fn ensure(
    recipe: &Recipe,
    progress: &mut dyn FnMut(FetchProgress),
    make: impl FnOnce(&Path, &mut dyn FnMut(FetchProgress)) -> Result<PathBuf, FetchError>,
) -> Result<Part, FetchError> {
    if let Some(part) = recipe.present() {
        return Ok(part);
    }
    let lock_path = recipe.cache.lock(&recipe.name)?;
    let lock_error = |source| FetchError::Io {
        path: lock_path.clone(),
        source,
    };
    let lock = lock_file(&lock_path).map_err(lock_error)?;
    if lock.try_lock().is_err() {
        progress(FetchProgress::Waiting(recipe.kind));
        lock.lock().map_err(lock_error)?;
    }
    // The holder of the lock may have fetched it.
    if let Some(part) = recipe.present() {
        return Ok(part);
    }
    let scratch_parent = recipe.cache.scratch();
    let scratch = TempDir::create(&scratch_parent).map_err(io_error(&scratch_parent))?;
    let part = make(scratch.path(), progress)?;
    keep(recipe, &part, scratch.path())?;
    progress(FetchProgress::Fetched(recipe.kind));
    recipe.present().ok_or_else(|| FetchError::Io {
        path: recipe.cache.part(&recipe.name),
        source: io::Error::other("the part vanished again"),
    })
}

/// Moves what was made to its place.
fn keep(recipe: &Recipe, made: &Path, scratch: &Path) -> Result<(), FetchError> {
    let sums = recipe.sums();
    let manifest =
        Manifest::of(made, sums.as_ref().map(Checksums::digest)).map_err(io_error(made))?;
    let manifest = serde_json::to_vec(&manifest).map_err(|error| FetchError::Io {
        path: made.to_owned(),
        source: error.into(),
    })?;
    fs::write(made.join(MANIFEST), manifest).map_err(io_error(made))?;
    make_readable(made).map_err(io_error(made))?;

    let place = recipe.cache.part(&recipe.name);
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(io_error(parent))?;
        make_readable(parent).map_err(io_error(parent))?;
    }
    if place.exists() {
        // Damaged, or of other sums: else it would have been used.
        fs::rename(&place, scratch.join("replaced")).map_err(io_error(&place))?;
    }
    fs::rename(made, &place).map_err(io_error(&place))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { path, source }
}
