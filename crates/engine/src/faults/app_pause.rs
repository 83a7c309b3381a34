//! The user's application: frozen, with what it has in hand, and continued.

use std::sync::Arc;
use std::time::Duration;

use model::scenario::AppPause;
use stack::process::Child;
use tokio::time::Instant;

use super::broker::prove_continued;
use super::consumer::still;
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::pass_until;

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Frozen {
    child: Arc<Child>,
    until: Instant,
}

impl Breakable for AppPause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<Frozen> {
        let child = context.application()?.child().await?;
        if context.effect.is_real() {
            child.pause().await?;
        }
        Ok(Frozen {
            child,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let (mut looks, mut stopped) = (0u32, 0u32);
        let mut states = String::new();
        while Instant::now() < self.until {
            let (are_still, seen) = still(&self.child.tree()?);
            looks += 1;
            stopped += u32::from(are_still);
            states = seen;
            pass_until(self.until.min(Instant::now() + LOOK_INTERVAL)).await;
        }
        proof.add(
            "the process state is T (stopped) all the while",
            looks == stopped && looks > 0,
            format!("{stopped} of {looks} looks; at the last {states}"),
        );
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
