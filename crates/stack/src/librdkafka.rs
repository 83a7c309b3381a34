//! librdkafka in any version that is published: the shared library in the
//! wheels of `confluent-kafka`, which carry one for each release since 2019,
//! and need no more than the system's C library.
//!
//! Knows where it is found, not what is done with it.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::artefacts::{FetchError, FetchProgress, PartKind, fetch_librdkafka};
use crate::cache::Cache;
use crate::pip::{Pip, PipError, Wheel};
use crate::process::ChildSpec;
use crate::temp_dir::make_readable;

const PACKAGE: &str = "confluent-kafka";

/// Its name in the cache.
const FILE: &str = "librdkafka.so.1";

/// For which versions of Python wheels are asked for, until there is one: each
/// release has wheels for one of them. What is taken out of them is the same
/// for all.
const PYTHONS: [&str; 3] = ["3.8", "3.12", "3.14"];

/// Asks a library for its version, in a process of its own.
const ASK: &str = "import ctypes, sys
version = ctypes.CDLL(sys.argv[1]).rd_kafka_version_str
version.restype = ctypes.c_char_p
print(version().decode())";

/// How long that may take.
const ASK_BOUND: Duration = Duration::from_secs(30);

/// The path of librdkafka's shared library in a version such as `1.8.2`:
/// fetched through pip once, then kept in the cache. Blocks.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(
    cache: &Cache,
    version: &str,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, FetchError> {
    let pip = || Pip::find(env::var_os("PATH").as_deref());
    fetch_with(cache, version, pip, progress)
}

/// The same with a pip of the caller's choice; it is asked for only when
/// something has to be fetched.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch_with(
    cache: &Cache,
    version: &str,
    pip: impl Fn() -> Option<Pip>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, FetchError> {
    let part = fetch_librdkafka(cache, version, &pip, progress)?;
    Ok(part.path.join(FILE))
}

/// Downloads a version, and leaves the library in a directory of its own below
/// `scratch`.
pub(crate) fn make(
    pip: &Pip,
    version: &str,
    scratch: &Path,
    log: &Path,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, FetchError> {
    let pip_error = |source| FetchError::Pip {
        part: PartKind::Librdkafka,
        version: version.to_owned(),
        source,
    };
    let platforms = platforms();
    let download = scratch.join("download");
    let mut asked = PYTHONS.iter().peekable();
    while let Some(python) = asked.next() {
        let wheel = Wheel {
            package: PACKAGE,
            version,
            python,
            platforms: &platforms,
        };
        match pip.download(&wheel, &download, log) {
            Ok(()) => break,
            Err(PipError::NotInIndex { .. }) if asked.peek().is_some() => {}
            Err(error) => return Err(pip_error(error)),
        }
    }
    progress(FetchProgress::Unpacking(PartKind::Librdkafka));
    let made = scratch.join("unpacked");
    let unpack_error = |source| FetchError::Unpack {
        archive: download.clone(),
        source,
    };
    unpack(&download, &made).map_err(unpack_error)?;
    progress(FetchProgress::Checking(PartKind::Librdkafka));
    let found = version_of(pip, &made.join(FILE), log).map_err(pip_error)?;
    if found != version {
        return Err(FetchError::OtherVersion {
            part: PartKind::Librdkafka,
            version: version.to_owned(),
            found,
        });
    }
    Ok(made)
}

/// The machines whose wheels run here, by pip's names (PEP 600 and before).
fn platforms() -> Vec<String> {
    const KINDS: [&str; 6] = [
        "manylinux1",
        "manylinux2010",
        "manylinux2014",
        "manylinux_2_17",
        "manylinux_2_28",
        "manylinux_2_34",
    ];
    let of_this_one = |kind: &str| format!("{kind}_{}", env::consts::ARCH);
    KINDS.into_iter().map(of_this_one).collect()
}

/// Takes librdkafka out of the wheel in `download`, with what lies beside it.
fn unpack(download: &Path, into: &Path) -> io::Result<()> {
    let not_there = || io::Error::new(io::ErrorKind::NotFound, "no librdkafka in the wheel");
    let wheel = fs::read_dir(download)?
        .next()
        .ok_or_else(not_there)??
        .path();
    let mut wheel = zip::ZipArchive::new(File::open(wheel)?)?;
    let is_it = |name: &str| name.starts_with("librdkafka") && name.contains(".so");
    let libraries = wheel
        .file_names()
        .filter_map(|name| {
            let name = name.ok()?;
            let (dir, name) = name.rsplit_once('/')?;
            Some((dir.to_owned(), name.to_owned()))
        })
        .find(|(_, name)| is_it(name))
        .map(|(dir, _)| format!("{dir}/"))
        .ok_or_else(not_there)?;
    fs::create_dir_all(into)?;
    for index in 0..wheel.len() {
        let mut entry = wheel.by_index(index)?;
        let name = entry.name()?.into_owned();
        let Some(name) = name.strip_prefix(&libraries) else {
            continue;
        };
        if name.is_empty() || name.contains('/') {
            continue;
        }
        let path = into.join(if is_it(name) { FILE } else { name });
        io::copy(&mut entry, &mut File::create(&path)?)?;
        make_readable(&path)?;
    }
    Ok(())
}

/// The version that a library says it has, where it can be loaded here.
fn version_of(pip: &Pip, library: &Path, log: &Path) -> Result<String, PipError> {
    let log = log.with_extension("version.log");
    let _ = fs::remove_file(&log);
    let child = ChildSpec::new(pip.python(), &log)
        .args(["-c", ASK])
        .arg(library)
        .spawn()?;
    let exit = child.wait_blocking(ASK_BOUND);
    let output = fs::read_to_string(&log).unwrap_or_default();
    let last = output.lines().last().unwrap_or_default().trim().to_owned();
    match exit {
        Some(exit) if exit.is_success() => Ok(last),
        Some(_) => Err(PipError::Failed {
            complaint: format!("the library cannot be loaded: {last}"),
            log,
        }),
        None => Err(PipError::Late {
            bound_s: ASK_BOUND.as_secs(),
            log,
        }),
    }
}
