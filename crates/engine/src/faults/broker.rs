//! A broker's process: ended and started again, or frozen.

use std::sync::Arc;
use std::time::Duration;

use model::ids::Micros;
use model::scenario::{Effect, EndSignal};
use stack::broker::Broker;
use stack::process::{Exit, ProcessSnapshot};
use tokio::time::Instant;

use super::{Breakable, Broken, Proof, Site, is_real};
use crate::error::EngineError;
use crate::observer::answers;

/// What a broker with a second's worth of data needs to end in order, many
/// times over. One that is late is killed, and the evidence says so.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// How long a broker that should be silent is given to answer.
const PROBE: Duration = Duration::from_millis(500);
/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn find(site: &Site<'_>, id: u8) -> Result<Arc<Broker>, EngineError> {
    let found = site.target.stack.broker(id);
    found.cloned().ok_or_else(|| EngineError::Lacking {
        what: format!("broker {id}"),
    })
}

/// The process was ended and another one runs: shown by the kernel, not by
/// the one who sent the signal.
pub(super) fn prove_replaced(proof: &mut Proof, before: ProcessSnapshot, after: ProcessSnapshot) {
    proof.add(
        "another process runs",
        !before.is_same_process(&after),
        format!(
            "process {} started at tick {}, before it {} started at tick {}",
            after.pid, after.start_ticks, before.pid, before.start_ticks
        ),
    );
}

/// Whether a JVM, which turns SIGTERM into an exit of its own, ended so.
/// (128 + 15: the convention of shells, which the JVM follows.)
fn ended_by(signal: EndSignal, exit: Exit) -> bool {
    match signal {
        EndSignal::Term => matches!(exit, Exit::Code(0 | 143) | Exit::Signal(15)),
        EndSignal::Kill => exit == Exit::Signal(9),
    }
}

/// To be ended, kept down, and started again on the same data.
pub(super) struct Restart {
    broker: Arc<Broker>,
    signal: EndSignal,
    down_ms: u64,
    effect: Effect,
}

impl Restart {
    pub(super) fn of(
        site: &Site<'_>,
        id: u8,
        signal: EndSignal,
        down_ms: u64,
        effect: Effect,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            broker: find(site, id)?,
            signal,
            down_ms,
            effect,
        })
    }
}

pub(super) struct Down {
    broker: Arc<Broker>,
    before: ProcessSnapshot,
    until: Instant,
    effect: Effect,
}

impl Breakable for Restart {
    type Broken = Down;

    async fn inject(self, _: &Site<'_>, proof: &mut Proof) -> Result<Down, EngineError> {
        let service = self.broker.service();
        let before = service.snapshot()?;
        if is_real(self.effect) {
            let stopped = match self.signal {
                EndSignal::Term => service.stop(STOP_GRACE).await?,
                EndSignal::Kill => service.kill().await?,
            };
            proof.add(
                &format!("the process ended by {}", self.signal.name()),
                ended_by(self.signal, stopped.exit),
                format!("{}, after {} ms", stopped.exit, stopped.took_ms),
            );
        }
        Ok(Down {
            before,
            until: Instant::now() + Duration::from_millis(self.down_ms),
            effect: self.effect,
            broker: self.broker,
        })
    }
}

impl Broken for Down {
    async fn hold(&mut self, _: &Site<'_>, proof: &mut Proof) -> Result<(), EngineError> {
        let address = self.broker.direct_addr().to_string();
        let answer = answers(&address, PROBE).await;
        proof.add(
            "nobody answers on the broker's port",
            answer.is_err(),
            answer.map_or_else(|error| error.to_string(), |()| "it answered".to_owned()),
        );
        tokio::time::sleep_until(self.until).await;
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError> {
        if is_real(self.effect) {
            let started = self.broker.service().start().await?;
            proof.add(
                "the broker is ready again",
                true,
                format!("{} ms after its start", started.ready_ms),
            );
        }
        prove_replaced(proof, self.before, self.broker.service().snapshot()?);
        Ok(site.ledger.clock().now())
    }
}

/// To be frozen and continued.
pub(super) struct Pause {
    broker: Arc<Broker>,
    for_ms: u64,
    effect: Effect,
}

impl Pause {
    pub(super) fn of(
        site: &Site<'_>,
        id: u8,
        for_ms: u64,
        effect: Effect,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            broker: find(site, id)?,
            for_ms,
            effect,
        })
    }
}

pub(super) struct Frozen {
    broker: Arc<Broker>,
    until: Instant,
    effect: Effect,
}

impl Breakable for Pause {
    type Broken = Frozen;

    async fn inject(self, _: &Site<'_>, _: &mut Proof) -> Result<Frozen, EngineError> {
        if is_real(self.effect) {
            self.broker.service().pause().await?;
        }
        Ok(Frozen {
            until: Instant::now() + Duration::from_millis(self.for_ms),
            effect: self.effect,
            broker: self.broker,
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, _: &Site<'_>, proof: &mut Proof) -> Result<(), EngineError> {
        let address = self.broker.direct_addr().to_string();
        let answer = answers(&address, PROBE).await;
        proof.add(
            "the broker does not answer",
            answer.is_err(),
            answer.map_or_else(|error| error.to_string(), |()| "it answered".to_owned()),
        );
        let (mut looks, mut stopped) = (0u32, 0u32);
        loop {
            looks += 1;
            stopped += u32::from(self.broker.service().snapshot()?.state == 'T');
            let next = Instant::now() + LOOK_INTERVAL;
            if next >= self.until {
                break;
            }
            tokio::time::sleep_until(next).await;
        }
        proof.add(
            "the process state is T (stopped) all the while",
            looks == stopped,
            format!(
                "{stopped} of {looks} looks at process {}",
                self.broker.service().pid()?
            ),
        );
        tokio::time::sleep_until(self.until).await;
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = site.ledger.clock().now();
        if is_real(self.effect) {
            let after = self.broker.service().resume().await?;
            proof.add(
                "the process goes on",
                after.state != 'T',
                format!("process {} is in state {}", after.pid, after.state),
            );
        }
        Ok(mended)
    }
}
