//! A consumer's process: ended, and a new one started.

use std::time::Duration;

use model::scenario::{Effect, EndSignal, Offsets};
use stack::process::Exit;
use tokio::time::Instant;

use super::broker::prove_gone;
use super::consumer::{prove_amid, prove_busy};
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real, offsets};
use crate::error::EngineError;
use crate::wait::{Wait, pass_until};

/// To be ended and replaced.
pub(super) struct Restart {
    group: String,
    member: u32,
    signal: EndSignal,
    down_ms: u64,
    offsets: Offsets,
    effect: Effect,
}

impl Restart {
    pub(super) fn new(
        group: &str,
        member: u32,
        signal: EndSignal,
        down_ms: u64,
        effect: Effect,
    ) -> Self {
        Self {
            group: group.to_owned(),
            member,
            signal,
            down_ms,
            offsets: Offsets::Kept,
            effect,
        }
    }

    pub(super) fn with_offsets(self, offsets: Offsets) -> Self {
        Self { offsets, ..self }
    }
}

pub(super) struct Gone {
    group: String,
    member: u32,
    until: Instant,
    effect: Effect,
}

impl Breakable for Restart {
    type Broken = Gone;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Gone> {
        let mut groups = context.groups.lock().await;
        let lacking = || EngineError::Lacking {
            what: format!("running member {} of {}", self.member, self.group),
        };
        let members = groups.get_mut(&self.group).ok_or_else(lacking)?;
        // Late is no error: the proof says what it was in the middle of.
        let of = format!("member {} of {}", self.member, self.group);
        let waiting = context.ledger.waits().begin(Wait::Amid, of);
        let _ = waiting.done(members.wait_amid(self.member)).await;
        drop(waiting);
        let before = members.snapshot(self.member).ok_or_else(lacking)?;
        prove_busy(proof, context, members, self.member);
        if is_real(self.effect) {
            if self.signal == EndSignal::Kill {
                prove_amid(proof, members, self.member);
            }
            let since = Instant::now();
            let exit = members.end(self.member, self.signal).await?;
            let expected = match self.signal {
                EndSignal::Term => exit.is_success(),
                EndSignal::Kill => exit == Exit::Signal(9),
            };
            proof.add(
                &format!("the process ended on {}", self.signal.name()),
                expected,
                format!("{exit}, after {} ms", since.elapsed().as_millis()),
            );
        }
        prove_gone(proof, before);
        drop(groups);
        if self.offsets == Offsets::Deleted {
            offsets::delete(context, &self.group, self.effect, proof).await?;
        }
        Ok(Gone {
            group: self.group,
            member: self.member,
            until: Instant::now() + Duration::from_millis(self.down_ms),
            effect: self.effect,
        })
    }
}

impl Broken for Gone {
    async fn hold(&mut self, _: &FaultContext<'_>, _: &mut Proof) -> Result<()> {
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let mut groups = context.groups.lock().await;
        let lacking = || EngineError::Lacking {
            what: format!("group {}", self.group),
        };
        let members = groups.get_mut(&self.group).ok_or_else(lacking)?;
        if is_real(self.effect) {
            members.start(self.member).await?;
        }
        let after = members.snapshot(self.member);
        proof.after(
            "a new process runs",
            after.is_some(),
            after.map_or_else(String::new, |after| format!("process {}", after.pid)),
        );
        Ok(Healed::At(context.ledger.clock().now()))
    }
}
