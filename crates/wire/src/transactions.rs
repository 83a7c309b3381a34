//! Transactions' ids. Knows nothing of what a transaction should have done.

use std::fmt;

/// A producer's `transactional.id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(String);

impl TransactionalId {
    /// Wraps the bare name.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
