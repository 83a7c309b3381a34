//! A baseline: findings that were there before, by rule, file and key, never by line. It
//! only shrinks: an entry whose finding is gone is reported, and a new finding counts.

use serde::{Deserialize, Serialize};

use crate::report::{AuditFinding, FindingState};

/// One finding of the baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The rule's name.
    pub rule: String,
    /// The file or address.
    pub file: String,
    /// The key, with its way to it.
    pub key: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// In order.
    pub findings: Vec<Entry>,
}

/// A file that is no baseline.
#[derive(Debug, thiserror::Error)]
#[error("it is no baseline of `ackproof audit`")]
pub struct BaselineError(#[from] serde_json::Error);

impl Entry {
    fn of(finding: &AuditFinding) -> Self {
        Self {
            rule: finding.rule.to_owned(),
            file: finding.file.clone(),
            key: finding.key.clone(),
        }
    }
}

impl Baseline {
    /// Reads one.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The findings that are not suppressed. With a baseline before it, only those that
    /// were in it too: it never grows by itself.
    pub fn of(findings: &[AuditFinding]) -> Self {
        let kept = findings
            .iter()
            .filter(|it| !matches!(it.state, FindingState::Suppressed(_)));
        let mut findings: Vec<Entry> = kept.map(Entry::of).collect();
        findings.sort();
        findings.dedup();
        Self { findings }
    }

    /// As it is written.
    ///
    /// # Errors
    /// None that a baseline can have.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Marks findings that it has, and returns entries whose findings are gone.
    pub(crate) fn apply(&self, findings: &mut [AuditFinding]) -> Vec<Entry> {
        let mut is_found = vec![false; self.findings.len()];
        for finding in findings {
            let own = Entry::of(finding);
            if let Some(at) = self.findings.iter().position(|it| *it == own) {
                is_found[at] = true;
                if finding.state == FindingState::Open {
                    finding.state = FindingState::InBaseline;
                }
            }
        }
        let gone = self
            .findings
            .iter()
            .zip(is_found)
            .filter(|(_, found)| !found);
        gone.map(|(entry, _)| entry.clone()).collect()
    }
}
