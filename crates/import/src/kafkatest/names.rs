//! Numbers for names, in the order in which they are met. Knows nothing of
//! what they name.

use std::collections::HashMap;

use super::error::KafkatestError;

/// Names, numbered from 0.
#[derive(Debug)]
pub(super) struct Names {
    of: &'static str,
    all: Vec<String>,
    numbers: HashMap<Vec<u8>, u16>,
}

impl Names {
    pub(super) fn new(of: &'static str) -> Self {
        Self {
            of,
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, a new one where it has none.
    pub(super) fn number(&mut self, name: &[u8]) -> Result<u16, KafkatestError> {
        if let Some(number) = self.find(name) {
            return Ok(number);
        }
        let number = u16::try_from(self.all.len()).map_err(|_| KafkatestError::TooMany {
            of: self.of,
            max: usize::from(u16::MAX) + 1,
        })?;
        self.all.push(String::from_utf8_lossy(name).into_owned());
        self.numbers.insert(name.to_vec(), number);
        Ok(number)
    }

    /// The name of a number.
    pub(super) fn name(&self, number: u16) -> Option<&str> {
        self.all.get(usize::from(number)).map(String::as_str)
    }

    /// Every number with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        (0..=u16::MAX).zip(self.all.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::new("topics");
        assert_eq!(names.find(b"b"), None);
        assert_eq!(names.number(b"b").unwrap(), 0);
        assert_eq!(names.number(b"a").unwrap(), 1);
        assert_eq!(names.number(b"b").unwrap(), 0);
        assert_eq!(names.iter().collect::<Vec<_>>(), [(0, "b"), (1, "a")]);
    }

    #[test]
    fn there_are_no_more_names_than_numbers() {
        let mut names = Names::new("topics");
        for name in 0..=u16::MAX {
            names.number(&name.to_le_bytes()).unwrap();
        }
        let error = names.number(b"one more").unwrap_err();
        assert_eq!(error.to_string(), "more than 65536 topics");
    }
}
