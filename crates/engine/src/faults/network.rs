//! The network between subjects and brokers: cut by the proxy.

use std::time::Duration;

use model::ids::Micros;
use model::scenario::{CutOnset, Effect};
use tokio::time::Instant;

use super::{Breakable, Broken, Proof, Site, is_real};
use crate::error::EngineError;
use crate::observer::answers;

/// How long one who should be unreachable is given to answer.
const PROBE: Duration = Duration::from_millis(500);

/// How long to wait for an answer to lose. Traffic that is slower is not what
/// this fault is for.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// To be cut.
pub(super) struct Cut {
    for_ms: u64,
    onset: CutOnset,
    effect: Effect,
}

impl Cut {
    pub(super) fn new(for_ms: u64, onset: CutOnset, effect: Effect) -> Self {
        Self {
            for_ms,
            onset,
            effect,
        }
    }
}

pub(super) struct CutOff {
    cuts: Vec<proxy::Cut>,
    until: Instant,
}

impl Breakable for Cut {
    type Broken = CutOff;

    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<CutOff, EngineError> {
        let mut cuts = Vec::new();
        if is_real(self.effect) {
            for proxy in site.target.proxies().values() {
                cuts.push(match self.onset {
                    CutOnset::AtOnce => proxy.cut()?,
                    CutOnset::AnswersFirst => proxy.cut_answers()?,
                });
            }
        }
        if self.onset == CutOnset::AnswersFirst {
            let lost_bytes = wait_for_lost_answer(&cuts).await;
            for cut in &cuts {
                cut.complete();
            }
            proof.add(
                "an answer was lost before its request could be",
                lost_bytes > 0,
                format!("{lost_bytes} bytes of answers swallowed while requests still arrived"),
            );
        }
        Ok(CutOff {
            cuts,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

/// Waits until an answer has been swallowed, and says how many bytes of
/// answers have been; none came where this is 0.
async fn wait_for_lost_answer(cuts: &[proxy::Cut]) -> u64 {
    let until = Instant::now() + ANSWER_LIMIT;
    loop {
        let swallowed = cuts
            .iter()
            .map(|cut| cut.so_far().bytes_swallowed_from_upstream);
        let lost_bytes = swallowed.sum();
        if lost_bytes > 0 || Instant::now() >= until {
            return lost_bytes;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

impl Broken for CutOff {
    async fn hold(&mut self, site: &Site<'_>, proof: &mut Proof) -> Result<(), EngineError> {
        for address in site.target.direct() {
            let answer = answers(&address, PROBE).await;
            proof.add(
                "the broker itself is alive",
                answer.is_ok(),
                answer.map_or_else(
                    |error| error.to_string(),
                    |()| "it answers on the listener that is not cut".to_owned(),
                ),
            );
        }
        for proxy in site.target.proxies().values() {
            let answer = answers(&proxy.addr().to_string(), PROBE).await;
            proof.add(
                "a new connection through the proxy is not answered",
                answer.is_err(),
                answer.map_or_else(|error| error.to_string(), |()| "it is".to_owned()),
            );
        }
        tokio::time::sleep_until(self.until).await;
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = site.ledger.clock().now();
        let (mut connections, mut unanswered) = (0u64, 0u64);
        let (mut from_clients, mut from_brokers) = (0u64, 0u64);
        for cut in self.cuts {
            let report = cut.heal().await;
            connections += report.connections_affected;
            unanswered += report.connections_unanswered;
            from_clients += report.bytes_swallowed_from_clients;
            from_brokers += report.bytes_swallowed_from_upstream;
        }
        proof.add(
            "connections were cut",
            connections > 0,
            format!("{connections} cut, {unanswered} new ones left unanswered"),
        );
        proof.add(
            "bytes were swallowed",
            from_clients + from_brokers > 0,
            format!("{from_clients} bytes from clients, {from_brokers} from brokers"),
        );
        Ok(mended)
    }
}
