//! What can be said of a claim by itself, and why.

use model::verdict::Verdict;

/// What can be said of a claim by itself, and why.
pub(super) struct Ruling(pub(super) Verdict, pub(super) String);

pub(super) fn held(reason: String) -> Ruling {
    Ruling(Verdict::Held, reason)
}

pub(super) fn inconclusive(reason: impl Into<String>) -> Ruling {
    Ruling(Verdict::Inconclusive, reason.into())
}

pub(super) fn violated(reason: String) -> Ruling {
    Ruling(Verdict::Violated, reason)
}
