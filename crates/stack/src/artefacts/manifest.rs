//! What a part in the cache consists of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file that says what a part holds. It is written last.
pub(super) const MANIFEST: &str = "part.json";

/// What a part in the cache consists of.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The digest of the sums it was held against, if there were any.
    pub(super) sums: Option<String>,
    files: Vec<ManifestFile>,
}

#[derive(Serialize, Deserialize)]
struct ManifestFile {
    path: PathBuf,
    size_bytes: u64,
}

impl Manifest {
    pub(super) fn read(part: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(part.join(MANIFEST)).ok()?).ok()
    }

    pub(super) fn of(part: &Path, sums: Option<String>) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut dirs = vec![part.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    dirs.push(entry.path());
                } else if kind.is_file() {
                    let path = entry.path();
                    files.push(ManifestFile {
                        path: path.strip_prefix(part).unwrap_or(&path).to_owned(),
                        size_bytes: entry.metadata()?.len(),
                    });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { sums, files })
    }

    /// Whether every file is there in its size. The contents were checked
    /// when it was fetched: to read 75 MB at each start would cost more than
    /// a broker's start.
    pub(super) fn is_complete(&self, part: &Path) -> bool {
        self.files.iter().all(|file| {
            fs::metadata(part.join(&file.path)).is_ok_and(|it| it.len() == file.size_bytes)
        })
    }
}
