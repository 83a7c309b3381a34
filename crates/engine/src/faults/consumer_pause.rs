//! A consumer's process: frozen, with what it has in hand, and continued.

use std::sync::Arc;
use std::time::Duration;

use model::ids::{GroupIx, MemberIx, Offset, PartitionRef};
use model::scenario::{ConsumerPause, Takeover};
use stack::process::Child;
use tokio::time::Instant;

use super::broker::prove_continued;
use super::consumer::{Member, prove_busy, still};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::{Wait, pass_until};

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

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
}

impl Breakable for ConsumerPause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let (group, number) = (self.group, self.member);
        let of = Member { group, number };
        let group = context.plan.group_ix(&of.group);
        let group = group.ok_or_else(|| of.lacking())?;
        let mut groups = context.groups.lock().await;
        let members = of.among(&mut groups)?;
        let (member, child) = members.process(number).ok_or_else(|| of.lacking())?;
        prove_busy(proof, context, members, number);
        if context.effect.is_real() {
            child.pause().await?;
        }
        let counts = context.recorder.counts();
        Ok(Frozen {
            child,
            group,
            member,
            held: counts
                .holders
                .iter()
                .filter(|((of, _), holder)| *of == group && **holder == member)
                .map(|(place, _)| (place.1, counts.commits.get(place).copied()))
                .collect(),
            until: Instant::now() + Duration::from_millis(self.for_ms),
            takeover: self.takeover,
        })
    }
}

impl Frozen {
    /// Of how many of its partitions the coordinator has accepted another
    /// member's commit: that one has processed something of them, and is their
    /// owner.
    fn taken(&self, context: &FaultContext<'_>) -> usize {
        let commits = context.recorder.counts().commits;
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
        let mut processes = 0;
        while !self.is_over(context) {
            looks += 1;
            let tree = self.child.tree()?;
            stopped += u32::from(still(&tree).0);
            processes = tree.len();
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
            format!(
                "{stopped} of {looks} looks at process {}{}",
                self.child.pid(),
                match processes {
                    0 | 1 => String::new(),
                    2 => " and its client's".to_owned(),
                    more => format!(" and {} below it", more - 1),
                }
            ),
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
        let mended = context.recorder.clock().now();
        if context.effect.is_real() {
            prove_continued(proof, self.child.resume().await?);
        }
        Ok(Healed::At(mended))
    }
}
