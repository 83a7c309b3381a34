//! What faults of a consumer's process have in common: how they call its member,
//! and what they show of it.

use std::fmt;

use stack::process::ProcessSnapshot;

use super::injection::{FaultContext, Groups, Proof, Result};
use crate::error::EngineError;
use crate::members::Members;
use crate::wait::Wait;

/// The member that a fault is about. In words: `member 1 of billing`.
pub(super) struct Member {
    pub(super) group: String,
    pub(super) number: u32,
}

impl Member {
    /// There is no such member, or it does not run.
    pub(super) fn lacking(&self) -> EngineError {
        EngineError::Lacking {
            what: format!("running {self}"),
        }
    }

    /// It among the members of its group.
    pub(super) fn among<'g>(&self, groups: &'g mut Groups) -> Result<&'g mut Members> {
        groups.get_mut(&self.group).ok_or_else(|| self.lacking())
    }

    /// Its process, while it runs.
    pub(super) fn process(&self, members: &Members) -> Result<ProcessSnapshot> {
        let process = members.snapshot(self.number);
        process.ok_or_else(|| self.lacking())
    }

    /// Its process and those below it, while it runs.
    pub(super) fn processes(&self, members: &Members) -> Result<Vec<ProcessSnapshot>> {
        let processes = members.processes(self.number);
        processes.ok_or_else(|| self.lacking())
    }

    /// Waits until one that writes is in the middle of its work.
    pub(super) async fn wait_mid_work(&self, context: &FaultContext<'_>, members: &mut Members) {
        // Late is no error: the proof says what it was in the middle of.
        let waiting = context.recorder.waits().begin(Wait::MidWork, self);
        let _ = waiting.done(members.wait_mid_work(self.number)).await;
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {} of {}", self.number, self.group)
    }
}

/// Whether all of these processes stand still, and which state each is in.
pub(super) fn still(processes: &[ProcessSnapshot]) -> (bool, String) {
    let state = |it: &ProcessSnapshot| format!("process {} is in state {}", it.pid, it.state);
    let states: Vec<String> = processes.iter().map(state).collect();
    let still = processes.iter().all(|it| it.state == 'T');
    (still && !processes.is_empty(), states.join(", "))
}

/// A member that writes was in the middle of its work.
pub(super) fn prove_mid_work(proof: &mut Proof, members: &Members, member: u32) {
    if let Some(uncommitted) = members.uncommitted(member) {
        proof.add(
            "its output was not committed",
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
    let held = members.held_by(member, &context.recorder.counts()).len();
    proof.add(
        "the member had partitions",
        held > 0,
        format!("member {member} had {held}; there are more members than partitions"),
    );
}
