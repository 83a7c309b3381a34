//! The SHA-256 sums of the default versions' artefacts, which are part of the
//! program, and holding files against them.
//!
//! Knows nothing of where the files come from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const EMBEDDED: [(&str, &str); 4] = [
    ("kafka-4.3.1", include_str!("checksums/kafka-4.3.1.sha256")),
    (
        "debezium-3.7.0.Final",
        include_str!("checksums/debezium-3.7.0.Final.sha256"),
    ),
    (
        "postgres-17.11.0-linux-amd64",
        include_str!("checksums/postgres-17.11.0-linux-amd64.sha256"),
    ),
    (
        "postgres-17.11.0-linux-arm64v8",
        include_str!("checksums/postgres-17.11.0-linux-arm64v8.sha256"),
    ),
];

/// How a set of files differs from what it must be.
#[derive(Debug, thiserror::Error)]
pub enum ChecksumsError {
    /// A file is not what it must be.
    #[error("{file} is not the published file: its SHA-256 is {found}, it must be {expected}")]
    Mismatch {
        /// Its name.
        file: String,
        /// What its sum must be.
        expected: String,
        /// What its sum is.
        found: String,
    },
    /// A file is missing.
    #[error("{file} is missing")]
    Missing {
        /// Its name.
        file: String,
    },
    /// There is a file that has no sum.
    #[error("{file} does not belong here")]
    Unexpected {
        /// Its name.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The sums of one part: file name to lower-case hexadecimal SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksums {
    by_file: BTreeMap<String, String>,
}

impl Checksums {
    /// The sums embedded for the part `name`, if it is of a default version.
    pub(crate) fn embedded(name: &str) -> Option<Self> {
        let (_, text) = EMBEDDED.iter().find(|(part, _)| *part == name)?;
        Some(Self::parse(text))
    }

    /// Reads the format of sha256sum(1).
    fn parse(text: &str) -> Self {
        let by_file = text
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, file)| (file.to_owned(), sum.to_owned()))
            .collect();
        Self { by_file }
    }

    /// One sum over all of them: it changes when any of them does.
    pub(crate) fn digest(&self) -> String {
        let mut all = Sha256::new();
        for (file, sum) in &self.by_file {
            all.update(format!("{sum}  {file}\n"));
        }
        hex(&all.finalize())
    }

    /// Holds the files in `dir` against the sums: each must be there and
    /// right, and there must be no other.
    pub(crate) fn verify(&self, dir: &Path) -> Result<(), ChecksumsError> {
        let read_error = |path: &Path| {
            let path = path.to_owned();
            move |source| ChecksumsError::Read { path, source }
        };
        for (file, expected) in &self.by_file {
            let path = dir.join(file);
            let found = match sha256(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(ChecksumsError::Missing { file: file.clone() });
                }
                found => found.map_err(read_error(&path))?,
            };
            if found != *expected {
                return Err(ChecksumsError::Mismatch {
                    file: file.clone(),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        for entry in fs::read_dir(dir).map_err(read_error(dir))? {
            let name = entry.map_err(read_error(dir))?.file_name();
            let file = name.to_string_lossy().into_owned();
            if !self.by_file.contains_key(&file) {
                return Err(ChecksumsError::Unexpected { file });
            }
        }
        Ok(())
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    io::copy(&mut file, &mut DigestWriter(&mut digest))?;
    Ok(hex(&digest.finalize()))
}

struct DigestWriter<'a>(&'a mut Sha256);

impl io::Write for DigestWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | sha256sum`
    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn dir_of_hello() -> (tempfile::TempDir, Checksums) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jar"), "hello").unwrap();
        (dir, Checksums::parse(&format!("{HELLO}  a.jar\n")))
    }

    #[test]
    fn the_right_files_pass() {
        let (dir, sums) = dir_of_hello();
        sums.verify(dir.path()).unwrap();
    }

    #[test]
    fn a_changed_a_missing_and_an_unexpected_file_are_each_named() {
        let (dir, sums) = dir_of_hello();
        let a = dir.path().join("a.jar");
        fs::write(&a, "hellO").unwrap();
        assert!(matches!(
            sums.verify(dir.path()).unwrap_err(),
            ChecksumsError::Mismatch { file, .. } if file == "a.jar"
        ));
        fs::remove_file(&a).unwrap();
        assert!(matches!(
            sums.verify(dir.path()).unwrap_err(),
            ChecksumsError::Missing { file } if file == "a.jar"
        ));
        fs::write(&a, "hello").unwrap();
        fs::write(dir.path().join("b.jar"), "").unwrap();
        assert!(matches!(
            sums.verify(dir.path()).unwrap_err(),
            ChecksumsError::Unexpected { file } if file == "b.jar"
        ));
    }

    #[test]
    fn every_embedded_line_is_a_sum_and_a_name() {
        for (part, text) in EMBEDDED {
            let sums = Checksums::parse(text);
            assert_eq!(sums.by_file.len(), text.lines().count(), "{part}");
            for sum in sums.by_file.values() {
                assert!(sum.len() == 64 && sum.bytes().all(|it| it.is_ascii_hexdigit()));
            }
        }
    }
}
