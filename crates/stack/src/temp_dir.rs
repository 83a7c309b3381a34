//! Directories that vanish: with their owner, or, when that was killed, the
//! next time anyone makes one beside them.
//!
//! The owner of a scratch directory locks its lock file; one that is not locked
//! was left behind by a process that died. Knows nothing of
//! what is put in.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the file in a scratch directory that its owner locks.
const LOCK: &str = ".lock";

/// A directory of our own, removed when dropped.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
    _lock: File,
}

impl TempDir {
    /// Makes a fresh directory under `parent`, after removing those that
    /// were left behind there.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        Self::with_mode(parent, 0o755)
    }

    /// The same, readable by this user only.
    pub(crate) fn private(parent: &Path) -> io::Result<Self> {
        Self::with_mode(parent, 0o700)
    }

    fn with_mode(parent: &Path, mode: u32) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // One at a time: else a directory that has just been made, and is not
        // locked yet, would look as if left behind.
        let turn = lock_file(&parent.join(LOCK))?;
        turn.lock()?;
        sweep(parent)?;
        let path = parent.join(uuid::Uuid::new_v4().to_string());
        fs::DirBuilder::new().mode(mode).create(&path)?;
        let lock = lock_file(&path.join(LOCK))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let unused = match File::open(entry.path().join(LOCK)) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(error),
            },
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if unused {
            // Someone else's leftovers are not worth failing for.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Opens, or makes, a file to lock.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// Lets every user enter and read `path`, and only its owner change it.
pub(crate) fn make_readable(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = TempDir::create(parent.path()).unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("half"), "done").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_owner_left_is_swept_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let used = TempDir::create(parent.path()).unwrap();
        let left = parent.path().join("left-behind");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("half"), "done").unwrap();
        let new = TempDir::create(parent.path()).unwrap();
        assert!(!left.exists());
        assert!(used.path().exists() && new.path().exists());
    }
}
