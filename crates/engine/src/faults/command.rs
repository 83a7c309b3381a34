//! A command of the user's breaks something, another mends it, and a third, which is asked
//! before, meanwhile and after, shows that it was broken.

use std::path::PathBuf;
use std::time::Duration;

use model::scenario::Command;
use tokio::time::Instant;

use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::error::EngineError;
use crate::unhealed::{Unhealed, log_in};
use crate::user_command::{self, UserCommandOutput};
use crate::wait::{pass, pass_until};

/// How far apart the two looks before are: what changes with every second tells nothing.
const LOOKS_APART: Duration = Duration::from_millis(1100);
/// How often it is looked at while it lasts.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long it is looked at after it was mended, where it looked the same so far: a process
/// that was replaced has its new number then.
const LOOK_AFTER: Duration = Duration::from_secs(5);

pub(super) struct BrokenByCommand {
    command: Command,
    unhealed: Option<Unhealed>,
    log: PathBuf,
    before: UserCommandOutput,
    began: Instant,
    until: Instant,
    /// The first look at which it was different, and how long it had lasted then.
    seen: Option<(Duration, UserCommandOutput)>,
}

impl Breakable for Command {
    type Broken = BrokenByCommand;

    async fn inject(
        self,
        context: &FaultContext<'_>,
        proof: &mut Proof,
    ) -> Result<BrokenByCommand> {
        let log = log_in(context.folder);
        let failed = |key, line: &str| {
            let line = secret::redacted(line).into_owned();
            move |source| EngineError::UserCommand { key, line, source }
        };
        let limit = Duration::from_millis(self.limit_ms);
        let look = || async {
            let output = user_command::output_of(&self.evidence, limit, &log).await;
            output.map_err(failed("evidence", &self.evidence))
        };
        let first = look().await?;
        pass(LOOKS_APART).await;
        let before = look().await?;
        proof.add(
            "the evidence command says the same twice before",
            first == before,
            if first == before {
                format!("{before}")
            } else {
                format!("{first}, then {before}: it changes by itself, and shows nothing")
            },
        );
        let mut unhealed = None;
        if context.effect.is_real() {
            unhealed = Unhealed::note(context.folder, &self)?;
            let injected = user_command::succeed(&self.inject, limit, &log).await;
            injected.map_err(failed("inject", &self.inject))?;
        }
        Ok(BrokenByCommand {
            command: self,
            unhealed,
            log,
            before,
            began: Instant::now(),
            until: Instant::now(),
            seen: None,
        })
    }
}

impl BrokenByCommand {
    /// Looks until something is different, or for so long.
    async fn look_until(&mut self, until: Instant) {
        self.until = until;
        let limit = Duration::from_millis(self.command.limit_ms);
        while self.seen.is_none() {
            // One that fails now and then says nothing at that moment.
            let output = user_command::output_of(&self.command.evidence, limit, &self.log).await;
            if let Ok(output) = output
                && output != self.before
            {
                self.seen = Some((self.began.elapsed(), output));
            }
            let next = Instant::now() + LOOK_INTERVAL;
            if next >= self.until {
                break;
            }
            pass_until(next).await;
        }
    }
}

impl Broken for BrokenByCommand {
    async fn hold(&mut self, _: &FaultContext<'_>, _: &mut Proof) -> Result<()> {
        let until = self.began + Duration::from_millis(self.command.for_ms);
        self.look_until(until).await;
        pass_until(until).await;
        Ok(())
    }

    async fn heal(mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let mended = context.recorder.clock().now();
        let healed = match self.unhealed.take() {
            Some(unhealed) => unhealed.heal().await,
            None => Ok(()),
        };
        self.look_until(Instant::now() + LOOK_AFTER).await;
        let before = &self.before;
        proof.add(
            "the evidence command says something else since",
            self.seen.is_some(),
            match &self.seen {
                Some((after, now)) => format!(
                    "{before} before, {now} {:.1} s after the command",
                    after.as_secs_f64()
                ),
                None => format!("{before} all the time"),
            },
        );
        Ok(match healed {
            Ok(()) => Healed::At(mended),
            Err(error) => Healed::Not {
                why: format!("the `heal` command failed: {error}"),
            },
        })
    }
}
