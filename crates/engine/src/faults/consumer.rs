//! What a fault of a consumer's process shows of the member.

use super::{FaultContext, Proof};
use crate::subjects::Members;

/// A member that writes was in the middle of its work.
pub(super) fn prove_amid(proof: &mut Proof, members: &Members, member: u32) {
    if let Some(uncommitted) = members.uncommitted(member) {
        proof.add(
            "what it had made was not committed",
            uncommitted > 0,
            format!("{uncommitted} records acknowledged since its last commit"),
        );
    }
}

/// A member that may be standing by had partitions: nothing can come of what
/// happens to one that has none.
pub(super) fn prove_busy(
    proof: &mut Proof,
    context: &FaultContext<'_>,
    members: &Members,
    member: u32,
) {
    if !members.may_idle(context.plan) {
        return;
    }
    let held = members.held_by(member, &context.ledger.tally()).len();
    proof.add(
        "the member had partitions",
        held > 0,
        format!("member {member} had {held}; there are more members than partitions"),
    );
}
