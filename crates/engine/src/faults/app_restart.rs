//! The user's application: ended, and started again.

use std::time::Duration;

use model::scenario::{AppRestart, EndSignal};
use tokio::time::Instant;

use super::broker::{ended_by, prove_gone};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::pass_until;

pub(super) struct Gone {
    until: Instant,
}

impl Breakable for AppRestart {
    type Broken = Gone;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Gone> {
        let app = context.application()?;
        let child = app.child().await?;
        let before = child.tree()?;
        if context.effect.is_real() {
            let since = Instant::now();
            let exit = app.end(self.signal).await?;
            // What an application makes of SIGTERM is its own affair, as long as it ends.
            let expected = self.signal == EndSignal::Term || ended_by(self.signal, exit);
            proof.add(
                &format!("its process ended on {}", self.signal.name()),
                expected,
                format!("{exit}, after {} ms", since.elapsed().as_millis()),
            );
        }
        prove_gone(proof, &before);
        Ok(Gone {
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
        let app = context.application()?;
        if context.effect.is_real() {
            app.start().await?;
        }
        let after = app.child().await?.snapshot();
        proof.after(
            "a new process runs",
            after.is_ok(),
            after.map_or_else(
                |error| error.to_string(),
                |after| format!("process {}", after.pid),
            ),
        );
        Ok(Healed::At(context.recorder.clock().now()))
    }
}
