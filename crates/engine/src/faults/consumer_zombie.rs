//! A consumer's process that is frozen, replaced by another of the same number
//! while it stands still, and then goes on as if nothing had been: a zombie.

use std::time::Duration;

use model::scenario::ConsumerZombie;
use stack::process::{Exit, ProcessSnapshot};
use tokio::time::Instant;

use super::consumer::{Member, prove_mid_work, still};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::members::Fencing;
use crate::wait::{Wait, pass_until};

pub(super) struct Frozen {
    member: Member,
    /// Its process, and those below it.
    before: Vec<ProcessSnapshot>,
    until: Instant,
}

impl Breakable for ConsumerZombie {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let (group, number) = (self.group, self.member);
        let member = Member { group, number };
        let mut groups = context.groups.lock().await;
        let members = member.among(&mut groups)?;
        member.wait_mid_work(context, members).await;
        let before = member.processes(members)?;
        if context.effect.is_real() {
            members.freeze(number).await?;
            prove_mid_work(proof, members, number);
        }
        drop(groups);
        Ok(Frozen {
            member,
            before,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let number = self.member.number;
        let mut groups = context.groups.lock().await;
        let members = self.member.among(&mut groups)?;
        if context.effect.is_real() {
            // Without a `group.instance.id` it waits for `session.timeout.ms`.
            let waits = context.recorder.waits();
            let waiting = waits.begin(Wait::Replacement, &self.member);
            waiting.must(members.replace(number)).await??;
        }
        let after = self.member.process(members)?;
        drop(groups);
        let driver = self.before.first().ok_or_else(|| self.member.lacking())?;
        proof.add(
            "another process has its number and its partitions",
            !after.is_same_process(driver),
            format!("process {} beside process {}", after.pid, driver.pid),
        );
        pass_until(self.until).await;
        let now = self.before.iter().map(|it| ProcessSnapshot::of(it.pid));
        let now = now.collect::<std::result::Result<Vec<_>, _>>()?;
        let same = now
            .iter()
            .zip(&self.before)
            .all(|(now, before)| now.is_same_process(before));
        let (stood_still, states) = still(&now);
        proof.add(
            "the process stood still (state T) until then",
            same && stood_still,
            states,
        );
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let mended = context.recorder.clock().now();
        if !context.effect.is_real() {
            return Ok(Healed::At(mended));
        }
        let number = self.member.number;
        let mut groups = context.groups.lock().await;
        let members = self.member.among(&mut groups)?;
        members.thaw(number).await?;
        let waits = context.recorder.waits();
        let waiting = waits.begin(Wait::Refusal, &self.member);
        let (dismissal, exit) = members.await_fencing(number, &waiting).await?;
        proof.add(
            "it went on, and the brokers refused its requests",
            dismissal == Fencing::Fenced,
            match (dismissal, exit) {
                (Fencing::Fenced, Exit::Code(0)) => "it was told, and left".to_owned(),
                (Fencing::Fenced, exit) => format!("it was told, and ended ({exit})"),
                (Fencing::NotFenced, exit) => format!("it was told nothing; {exit}"),
            },
        );
        Ok(Healed::At(mended))
    }
}
