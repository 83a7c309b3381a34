//! Unpacks the archives that parts come in.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::FetchError;
use crate::temp_dir::make_readable;

/// Unpacks the only file in `download`.
pub(super) fn unpack_only(
    download: &Path,
    into: &Path,
    unpack: fn(File, &Path) -> io::Result<()>,
) -> Result<PathBuf, FetchError> {
    let unpack_error = |archive: &Path| {
        let archive = archive.to_owned();
        move |source| FetchError::Unpack { archive, source }
    };
    let archive = fs::read_dir(download)
        .and_then(|mut entries| entries.next().transpose())
        .map_err(unpack_error(download))?
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        .map_err(unpack_error(download))?
        .path();
    File::open(&archive)
        .and_then(|file| unpack(file, into))
        .map_err(unpack_error(&archive))?;
    Ok(into.to_owned())
}

pub(super) fn unpack_tar_gz(file: File, into: &Path) -> io::Result<()> {
    unpack_tar(flate2::read::GzDecoder::new(file), into)
}

/// The PostgreSQL binaries come as one `.txz` in a jar.
pub(super) fn unpack_txz_in_jar(file: File, into: &Path) -> io::Result<()> {
    let mut jar = zip::ZipArchive::new(file)?;
    for index in 0..jar.len() {
        let entry = jar.by_index(index)?;
        let name = entry.name()?;
        if Path::new(name.as_ref())
            .extension()
            .is_some_and(|it| it == "txz")
        {
            drop(name);
            return unpack_tar(liblzma::read::XzDecoder::new(entry), into);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no .txz in the jar",
    ))
}

fn unpack_tar(tar: impl Read, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    // Files belong to the user that fetches them, not to the packager's ids.
    archive.set_preserve_ownerships(false);
    archive.unpack(into)?;
    // Directories that the archive does not list are made with our umask.
    let mut dirs = vec![into.to_owned()];
    while let Some(dir) = dirs.pop() {
        make_readable(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    Ok(())
}
