//! The verdict on a claim by itself, and the reason.

use model::verdict::Verdict;

/// The verdict on a claim by itself, and the reason.
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
