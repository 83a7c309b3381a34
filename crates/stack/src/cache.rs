//! Where downloads and start-up archives are kept between runs, and the shared
//! directory for what another user must be able to read.
//!
//! Knows the places, not what is in them.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why there is no place to keep things.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither variable is set.
    #[error("no cache directory: set XDG_CACHE_HOME or HOME")]
    NoHome,
    /// A directory cannot be made.
    #[error("cannot make the directory {path}", path = path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another user could change what is in the shared directory.
    #[error(
        "{path} belongs to another user or can be changed by one: remove it, or have its owner do so",
        path = path.display()
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
}

/// The directory for what is worth keeping. May be removed at any time when
/// no ackproof runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The user's cache: `$XDG_CACHE_HOME/ackproof`, else `~/.cache/ackproof`.
    ///
    /// # Errors
    /// [`CacheError::NoHome`].
    pub fn user() -> Result<Self, CacheError> {
        let user = xdg_dir("XDG_CACHE_HOME", ".cache");
        user.map(|it| Self::at(it.join("ackproof")))
            .ok_or(CacheError::NoHome)
    }

    /// A cache at a place of the caller's choice.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file where the next one would go, and removes it: into the cache, or
    /// where it is not there yet, into the folder in which it would be made.
    pub(crate) fn try_to_write(&self) -> Result<(), CacheError> {
        let locks = self.root.join("locks");
        let place = locks.ancestors().find(|place| place.is_dir());
        let place = place.unwrap_or(&locks);
        let probe = place.join(format!(".ackproof-probe-{}", std::process::id()));
        let written = fs::write(&probe, "").and_then(|()| fs::remove_file(&probe));
        written.map_err(|source| CacheError::Create {
            path: probe,
            source,
        })
    }

    /// One part of the stack, once it is complete.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.root.join("parts").join(name)
    }

    /// Start-up archives.
    pub(crate) fn archives(&self) -> PathBuf {
        self.root.join("archives")
    }

    /// What fresh log directories hold.
    pub(crate) fn formats(&self) -> PathBuf {
        self.root.join("formats")
    }

    /// Work in progress.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(name)
    }

    /// The file that is locked while `name` is made.
    pub(crate) fn lock(&self, name: &str) -> Result<PathBuf, CacheError> {
        let dir = self.root.join("locks");
        create_dir(&dir)?;
        Ok(dir.join(name))
    }
}

/// The directory that `variable` names, else this one of the user's home (XDG Base
/// Directory Specification).
pub(crate) fn xdg_dir(variable: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |name| {
        let path = env::var_os(name).map(PathBuf::from);
        path.filter(|it| it.is_absolute())
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(in_home)))
}

fn create_dir(path: &Path) -> Result<(), CacheError> {
    fs::create_dir_all(path).map_err(|source| CacheError::Create {
        path: path.to_owned(),
        source,
    })
}

/// A directory of this user's under `/var/tmp`, which others may enter and
/// not change: what PostgreSQL, run as an unprivileged user, must reach cannot
/// be in a home that is closed to it.
///
/// # Errors
/// [`CacheError::NotOurs`] when someone else made a directory of that name.
pub(crate) fn shared_dir() -> Result<PathBuf, CacheError> {
    let uid = rustix::process::getuid().as_raw();
    let path = PathBuf::from(format!("/var/tmp/ackproof-{uid}"));
    match fs::DirBuilder::new().mode(0o711).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(CacheError::Create {
                path,
                source: error,
            });
        }
        _ => {}
    }
    let create_error = |source| CacheError::Create {
        path: path.clone(),
        source,
    };
    // Not following links: one that points elsewhere is not ours to trust.
    let found = fs::symlink_metadata(&path).map_err(create_error)?;
    let others_may_write = found.mode() & 0o022 != 0;
    if !found.is_dir() || found.uid() != uid || others_may_write {
        return Err(CacheError::NotOurs { path });
    }
    // It may have been made under a mask that shuts others out.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).map_err(create_error)?;
    Ok(path)
}
