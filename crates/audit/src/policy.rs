//! `ackproof-audit.toml`: what a team promises, and which findings it has decided to
//! live with, each with the reason.

use serde::{Deserialize, Serialize};

/// What the pipeline has to bear. Rules that compare a setting with a promise are silent
/// without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Promise {
    /// Sends survive an outage of this length, in seconds.
    pub outage_s: Option<u64>,
    /// Reading goes on this long after a consumer or worker was killed, in seconds.
    pub recovery_s: Option<u64>,
    /// A consumer or a connector may be stopped for so long, in hours.
    pub pause_h: Option<u64>,
    /// Bytes that are written in a second.
    pub bytes_per_s: Option<u64>,
    /// Milliseconds that work on one record takes at most.
    pub record_ms: Option<u64>,
    /// Bytes of WAL that the database writes in a second.
    pub wal_bytes_per_s: Option<u64>,
}

/// A finding to live with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// The rule's name.
    pub rule: String,
    /// Only in this file.
    pub file: Option<String>,
    /// Only at this key.
    pub key: Option<String>,
    /// Why.
    pub reason: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What the pipeline has to bear.
    pub promise: Promise,
    /// What is suppressed.
    pub suppress: Vec<Suppression>,
}

/// A file that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Broken, or with keys that there are not.
    #[error("{0}")]
    Syntax(String),
    /// A rule that there is not.
    #[error("`{rule}` in `suppress` is no rule{}", suggestion(near.as_deref()))]
    Rule {
        /// As it is written.
        rule: String,
        /// What may be meant.
        near: Option<String>,
    },
    /// A suppression that says nothing.
    #[error("the suppression of `{0}` gives no reason")]
    Reason(String),
}

fn suggestion(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

impl Policy {
    /// Reads the file.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self =
            toml::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        for suppression in &policy.suppress {
            if crate::rules::find(&suppression.rule).is_none() {
                return Err(PolicyError::Rule {
                    rule: suppression.rule.clone(),
                    near: crate::rules::nearest(&suppression.rule).map(str::to_owned),
                });
            }
            if suppression.reason.trim().is_empty() {
                return Err(PolicyError::Reason(suppression.rule.clone()));
            }
        }
        Ok(policy)
    }
}

/// Suppressions in the file itself: a comment `ackproof: allow RULE, REASON` in the line
/// of a setting, or in the line above it. The line, the rule and the reason.
pub(crate) fn in_comments(text: &str) -> Vec<(usize, String, String)> {
    const MARK: &str = "ackproof: allow ";
    let lines = text.lines().zip(1..);
    let found = lines.filter_map(|(line, number)| {
        let (_, comment) = line.split_once('#')?;
        let (_, rest) = comment.split_once(MARK)?;
        let (rule, reason) = rest.split_once([',', ' ']).unwrap_or((rest, ""));
        Some((number, rule.trim().to_owned(), reason.trim().to_owned()))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_its_mistakes_are_told() {
        let policy = Policy::parse(
            "[promise]\nrecovery_s = 5\n[[suppress]]\nrule = \"single-broker\"\nreason = \"a test\"\n",
        )
        .unwrap();
        assert_eq!(policy.promise.recovery_s, Some(5));
        let error = |text| Policy::parse(text).unwrap_err().to_string();
        let near = error("[[suppress]]\nrule = \"single-brokr\"\nreason = \"x\"\n");
        assert!(near.contains("did you mean `single-broker`?"), "{near}");
        assert!(
            error("[[suppress]]\nrule = \"single-broker\"\nreason = \"\"\n").contains("no reason")
        );
        assert!(error("[promise]\nrecovery = 5\n").contains("recovery"));
    }

    #[test]
    fn comments_suppress_with_a_reason() {
        let text = "acks=1\n# ackproof: allow acks-leader-only, metrics may be lost\nacks=1\n";
        let expected = (
            2,
            "acks-leader-only".to_owned(),
            "metrics may be lost".to_owned(),
        );
        assert_eq!(in_comments(text), [expected]);
    }
}
