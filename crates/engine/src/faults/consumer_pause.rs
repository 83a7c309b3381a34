//! A consumer's process: frozen, with what it has in hand, and continued.

use std::sync::Arc;
use std::time::Duration;

use model::ids::{GroupIx, MemberIx, Offset, PartitionRef};
use model::scenario::{Effect, Takeover};
use stack::process::Child;
use tokio::time::Instant;

use super::consumer::prove_busy;
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::error::EngineError;
use crate::wait::{Wait, pass_until};

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// To be frozen and continued.
pub(super) struct Pause {
    pub(super) group: String,
    pub(super) number: u32,
    pub(super) for_ms: u64,
    pub(super) takeover: Takeover,
    pub(super) effect: Effect,
}

/// Whose commit it was, and of which offset.
type Commit = (MemberIx, Offset);

pub(super) struct Frozen {
    child: Arc<Child>,
    group: GroupIx,
    member: MemberIx,
    /// What it had when it was frozen, with the last commit of it.
    held: Vec<(PartitionRef, Option<Commit>)>,
    until: Instant,
    takeover: Takeover,
    effect: Effect,
}

impl Breakable for Pause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let lacking = || EngineError::Lacking {
            what: format!("running member {} of {}", self.number, self.group),
        };
        let group = context.plan.group_ix(&self.group).ok_or_else(lacking)?;
        let groups = context.groups.lock().await;
        let members = groups.get(&self.group).ok_or_else(lacking)?;
        let (member, child) = members.process(self.number).ok_or_else(lacking)?;
        prove_busy(proof, context, members, self.number);
        if is_real(self.effect) {
            child.pause().await?;
        }
        let tally = context.ledger.tally();
        Ok(Frozen {
            child,
            group,
            member,
            held: tally
                .holders
                .iter()
                .filter(|((of, _), holder)| *of == group && **holder == member)
                .map(|(place, _)| (place.1, tally.commits.get(place).copied()))
                .collect(),
            until: Instant::now() + Duration::from_millis(self.for_ms),
            takeover: self.takeover,
            effect: self.effect,
        })
    }
}

impl Frozen {
    /// Of how many of its partitions the coordinator has accepted another
    /// member's commit: that one has processed something of them, and is their
    /// owner.
    fn taken(&self, context: &FaultContext<'_>) -> usize {
        let commits = context.ledger.tally().commits;
        let is_taken = |(partition, before): &&(PartitionRef, Option<Commit>)| {
            let last = commits.get(&(self.group, *partition)).copied();
            last != *before && last.is_some_and(|(by, _)| by != self.member)
        };
        self.held.iter().filter(is_taken).count()
    }

    /// Whether it has been frozen for long enough.
    fn is_over(&self, context: &FaultContext<'_>) -> bool {
        let now = Instant::now();
        let awaits = self.takeover == Takeover::Awaited && self.taken(context) < self.held.len();
        // The other one comes to it when it polls, however busy it is.
        now >= self.until && (!awaits || now >= self.until + Wait::MemberTakeover.fixed())
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let (mut looks, mut stopped) = (0u32, 0u32);
        while !self.is_over(context) {
            looks += 1;
            stopped += u32::from(self.child.snapshot()?.state == 'T');
            let now = Instant::now();
            let rest = self.until.saturating_duration_since(now);
            let pause = if rest.is_zero() {
                LOOK_INTERVAL
            } else {
                rest.min(LOOK_INTERVAL)
            };
            pass_until(now + pause).await;
        }
        proof.add(
            "the process state is T (stopped) all the while",
            looks == stopped && looks > 0,
            format!("{stopped} of {looks} looks at process {}", self.child.pid()),
        );
        if self.takeover == Takeover::Awaited {
            let (taken, held) = (self.taken(context), self.held.len());
            proof.add(
                "the coordinator accepted another member's commits of its partitions",
                taken == held && taken > 0,
                format!("of {taken} of {held} partitions"),
            );
        }
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        // The first it does may come before the proof that it goes on.
        let mended = context.ledger.clock().now();
        if is_real(self.effect) {
            let after = self.child.resume().await?;
            proof.after(
                "the process goes on",
                after.state != 'T',
                format!("process {} is in state {}", after.pid, after.state),
            );
        }
        Ok(Healed::At(mended))
    }
}
