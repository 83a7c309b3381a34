//! What the parts of the checker that find anomalies have in common.

/// Whether a history has to be read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Everything is settled.
    Nothing,
    /// Once more.
    Reading,
}
