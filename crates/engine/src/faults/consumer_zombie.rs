//! A consumer's process that is frozen, replaced by another of the same number
//! while it stands still, and then goes on as if nothing had been: a zombie.

use std::time::Duration;

use model::scenario::Effect;
use stack::process::{Exit, ProcessSnapshot};
use tokio::time::Instant;

use super::consumer::prove_amid;
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::error::EngineError;
use crate::subjects::{Dismissal, Members};
use crate::wait::{Wait, pass_until};

/// To be frozen, replaced and continued.
pub(super) struct Zombie {
    group: String,
    member: u32,
    for_ms: u64,
    effect: Effect,
}

impl Zombie {
    pub(super) fn new(group: &str, member: u32, for_ms: u64, effect: Effect) -> Self {
        Self {
            group: group.to_owned(),
            member,
            for_ms,
            effect,
        }
    }

    fn name(&self) -> String {
        format!("member {} of {}", self.member, self.group)
    }

    fn lacking(&self) -> EngineError {
        EngineError::Lacking {
            what: format!("running {}", self.name()),
        }
    }
}

pub(super) struct Frozen {
    zombie: Zombie,
    before: ProcessSnapshot,
    until: Instant,
}

impl Frozen {
    async fn with<T>(
        &self,
        context: &FaultContext<'_>,
        look: impl FnOnce(&Members) -> Option<T>,
    ) -> Result<T> {
        let groups = context.groups.lock().await;
        let members = groups.get(&self.zombie.group);
        members.and_then(look).ok_or_else(|| self.zombie.lacking())
    }
}

impl Breakable for Zombie {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let mut groups = context.groups.lock().await;
        let members = groups.get_mut(&self.group).ok_or_else(|| self.lacking())?;
        // Late is no error: the proof says what it was in the middle of.
        let waiting = context.ledger.waits().begin(Wait::Amid, self.name());
        let _ = waiting.done(members.wait_amid(self.member)).await;
        let before = members
            .snapshot(self.member)
            .ok_or_else(|| self.lacking())?;
        if is_real(self.effect) {
            members.freeze(self.member).await?;
            prove_amid(proof, members, self.member);
        }
        drop(groups);
        Ok(Frozen {
            before,
            until: Instant::now() + Duration::from_millis(self.for_ms),
            zombie: self,
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let (number, real) = (self.zombie.member, is_real(self.zombie.effect));
        if real {
            let mut groups = context.groups.lock().await;
            let members = groups
                .get_mut(&self.zombie.group)
                .ok_or_else(|| self.zombie.lacking())?;
            // Without a `group.instance.id` it waits for `session.timeout.ms`.
            let waits = context.ledger.waits();
            let waiting = waits.begin(Wait::Replacement, self.zombie.name());
            waiting.must(members.replace(number)).await??;
        }
        let after = self
            .with(context, |members| members.snapshot(number))
            .await?;
        proof.add(
            "another process has its number and its partitions",
            !after.is_same_process(&self.before),
            format!("process {} beside process {}", after.pid, self.before.pid),
        );
        pass_until(self.until).await;
        let still = ProcessSnapshot::of(self.before.pid)?;
        proof.add(
            "the process stood still (state T) until then",
            still.is_same_process(&self.before) && still.state == 'T',
            format!("process {} is in state {}", still.pid, still.state),
        );
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let mended = context.ledger.clock().now();
        if !is_real(self.zombie.effect) {
            return Ok(Healed::At(mended));
        }
        let number = self.zombie.member;
        let mut groups = context.groups.lock().await;
        let members = groups
            .get_mut(&self.zombie.group)
            .ok_or_else(|| self.zombie.lacking())?;
        members.thaw(number).await?;
        let waits = context.ledger.waits();
        let waiting = waits.begin(Wait::Refusal, self.zombie.name());
        let (dismissal, exit) = members.see_off(number, &waiting).await?;
        proof.add(
            "it went on, and the brokers refused what it asked for",
            dismissal == Dismissal::Refused,
            match (dismissal, exit) {
                (Dismissal::Refused, Exit::Code(0)) => "it was told, and left".to_owned(),
                (Dismissal::Refused, exit) => format!("it was told, and ended ({exit})"),
                (Dismissal::Untold, exit) => format!("nobody told it anything; {exit}"),
            },
        );
        Ok(Healed::At(mended))
    }
}
