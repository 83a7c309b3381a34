//! A consumer's process: ended, and a new one started.

use std::time::Duration;

use model::scenario::{ConsumerRestart, EndSignal, Offsets};
use stack::process::Exit;
use tokio::time::Instant;

use super::broker::prove_gone;
use super::consumer::{Member, prove_busy, prove_mid_work};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use super::offsets;
use crate::wait::pass_until;

pub(super) struct Gone {
    member: Member,
    until: Instant,
}

impl Breakable for ConsumerRestart {
    type Broken = Gone;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Gone> {
        let (group, number) = (self.group, self.member);
        let member = Member { group, number };
        let mut groups = context.groups.lock().await;
        let members = member.among(&mut groups)?;
        member.wait_mid_work(context, members).await;
        let before = member.processes(members)?;
        prove_busy(proof, context, members, number);
        if context.effect.is_real() {
            if self.signal == EndSignal::Kill {
                prove_mid_work(proof, members, number);
            }
            let since = Instant::now();
            let exit = members.end(number, self.signal).await?;
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
        prove_gone(proof, &before);
        drop(groups);
        if self.offsets == Offsets::Deleted {
            offsets::delete(context, &member.group, proof).await?;
        }
        Ok(Gone {
            member,
            until: Instant::now() + Duration::from_millis(self.down_ms),
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
        let members = self.member.among(&mut groups)?;
        if context.effect.is_real() {
            members.start(self.member.number).await?;
        }
        let after = members.snapshot(self.member.number);
        proof.after(
            "a new process runs",
            after.is_some(),
            after.map_or_else(String::new, |after| format!("process {}", after.pid)),
        );
        Ok(Healed::At(context.recorder.clock().now()))
    }
}
