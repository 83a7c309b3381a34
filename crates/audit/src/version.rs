//! Versions of clients, brokers and images, as far as rules compare them.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// A version such as `3.1.0`, `1.45`, `2.5.4.Final` or `3.7.0.Alpha1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u32; 3],
    /// An alpha, beta or candidate comes before the release.
    is_early: bool,
    /// How many of the numbers are given: `3.9` may be any 3.9.
    given: usize,
    text: String,
}

impl Version {
    /// Reads a version; none where the text begins with no number.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.trim().trim_start_matches('v');
        let mut numbers = [0; 3];
        let mut given = 0;
        for (place, part) in numbers.iter_mut().zip(bare.split(['.', '-', '+', '_'])) {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Some(Ok(number)) = part.get(..digits).map(str::parse) else {
                break;
            };
            *place = number;
            given += 1;
            if digits < part.len() {
                break;
            }
        }
        let lower = bare.to_ascii_lowercase();
        let is_early = ["alpha", "beta", "rc", "cr", "snapshot"]
            .iter()
            .any(|it| lower.contains(it));
        (given > 0).then(|| Self {
            numbers,
            is_early,
            given,
            text: bare.to_owned(),
        })
    }

    /// Whether it lies in a line such as `3.6`: the numbers of the line are its first.
    pub fn is_in(&self, line: &str) -> bool {
        Self::parse(line).is_some_and(|line| {
            self.given >= line.given && self.numbers[..line.given] == line.numbers[..line.given]
        })
    }

    /// Whether it is this one or a later one.
    pub fn is_from(&self, first: &str) -> bool {
        Self::parse(first).is_some_and(|first| *self >= first)
    }

    /// Whether it is one from the first on and before the end.
    pub fn is_between(&self, first: &str, end: &str) -> bool {
        self.is_from(first) && !self.is_from(end)
    }

    /// Whether all three numbers are given.
    pub fn is_exact(&self) -> bool {
        self.given == 3
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.numbers[0]
    }

    /// The second number.
    pub fn minor(&self) -> u32 {
        self.numbers[1]
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| other.is_early.cmp(&self.is_early))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_and_have_lines() {
        let of = |text| Version::parse(text).unwrap();
        assert!(of("3.7.0.Alpha1") < of("3.7.0.Final"));
        assert!(of("3.10.0") > of("3.9.2"));
        assert!(of("v1.45").is_between("1.0", "1.60.0"));
        assert!(of("3.6.1").is_in("3.6") && !of("3").is_in("3.6"));
        assert!(!of("3.9").is_exact());
        assert_eq!(of("7.6.0-1-ubi8").to_string(), "7.6.0-1-ubi8");
        assert_eq!(Version::parse("latest"), None);
    }
}
