//! A file, and the consumer group that its name or the user gives it. Knows nothing of its
//! content.

use std::path::{Path, PathBuf};

/// A file of a verifiable client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages; the group's name is taken from it.
    pub name: PathBuf,
    /// The path of its bytes: the same, unless it was a pipe.
    pub path: PathBuf,
    /// The consumer group, where the user names it.
    pub group: Option<String>,
}

impl Source {
    /// A file whose name tells the group, if it is a consumer's.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: path.clone(),
            path,
            group: None,
        }
    }

    /// A consumer's file, and its group.
    pub fn of_group(path: impl Into<PathBuf>, group: impl Into<String>) -> Self {
        Self {
            group: Some(group.into()),
            ..Self::new(path)
        }
    }

    /// Whether the file's name tells that it is a producer's.
    pub(super) fn is_producers(&self) -> bool {
        self.group.is_none() && is_producers(&self.name)
    }

    /// The group as the user or the file's name tells it.
    pub(super) fn group(&self) -> Option<&str> {
        self.group.as_deref().or_else(|| named_group(&self.name))
    }
}

/// Whether a file's name is `producer-N.jsonl`.
fn is_producers(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let number = stem.and_then(|stem| stem.strip_prefix("producer-"));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The GROUP of `consumer-GROUP-N.jsonl`.
fn named_group(path: &Path) -> Option<&str> {
    let middle = path.file_stem()?.to_str()?.strip_prefix("consumer-")?;
    let (group, number) = middle.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !group.is_empty()).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_tells_the_group() {
        for (name, group) in [
            ("consumer-g-1.jsonl", Some("g")),
            ("out/consumer-my-group-12.jsonl", Some("my-group")),
            ("consumer-a.b-1.jsonl", Some("a.b")),
            ("consumer-g.jsonl", None),
            ("consumer--1.jsonl", None),
            ("consumer-g-.jsonl", None),
            ("consumer-g-x.jsonl", None),
            ("producer-g-1.jsonl", None),
            ("", None),
        ] {
            assert_eq!(Source::new(name).group(), group, "{name}");
        }
    }

    #[test]
    fn the_user_knows_better() {
        let source = Source::of_group("consumer-g-1.jsonl", "h");
        assert_eq!(source.group(), Some("h"));
    }
}
