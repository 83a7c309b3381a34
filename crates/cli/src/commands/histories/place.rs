//! The histories that a file or a folder names. Knows nothing
//! of what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use history::FILE_NAME;

use crate::failure::Failure;

#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error("cannot read {}", path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    #[error("there is no {FILE_NAME} in {}, nor in a folder of it", path.display())]
    NoHistory { path: PathBuf },
    #[error("there are {count} histories in {}", path.display())]
    TooMany { path: PathBuf, count: usize },
}

/// The file itself; the history in a folder; those in its folders, by name.
pub(super) fn histories(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    find(place).map_err(|error| {
        Failure::usage(&error).hint("name a history, or what `ackproof run` has written")
    })
}

/// The same, where there is one.
pub(super) fn history(place: &Path) -> Result<PathBuf, Failure> {
    let found = histories(place)?;
    let count = found.len();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Failure::usage(&PlaceError::TooMany {
            path: place.to_owned(),
            count,
        })
        .hint("name the one that is meant")),
    }
}

fn find(place: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    // What is no folder is for the reader to judge, a missing file too.
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let here = place.join(FILE_NAME);
    if here.exists() {
        return Ok(vec![here]);
    }
    let not_readable = |source| PlaceError::NotReadable {
        path: place.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(place).map_err(not_readable)? {
        let inside = entry.map_err(not_readable)?.path().join(FILE_NAME);
        if inside.exists() {
            found.push(inside);
        }
    }
    if found.is_empty() {
        return Err(PlaceError::NoHistory {
            path: place.to_owned(),
        });
    }
    found.sort();
    Ok(found)
}
