//! Single requests: acted on and their answers lost, or answered with an
//! error, by the proxy that clients go through.

use std::time::Duration;

use model::scenario::{Effect, ErrorMoment, RequestPick, Requests};
use proxy::{Api, ErrorCode, Fault, FaultDataError, FaultId, Pick, Then, When};
use tokio::time::Instant;

use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::error::EngineError;
use crate::wait::pass;

const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What is done to each request that is met.
#[derive(Clone, Debug)]
pub(super) enum Treatment {
    /// The broker acts, and the answer is lost with its connection.
    AnswerLost,
    /// It is answered with this error.
    Refused {
        /// Kafka's name of it.
        code: String,
        /// Whether the broker acts.
        moment: ErrorMoment,
    },
}

/// To be met.
pub(super) struct Interference {
    pub(super) requests: Requests,
    pub(super) treatment: Treatment,
    pub(super) for_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Interfering {
    id: Option<FaultId>,
    /// How many requests there are to meet, where that is known.
    wanted: Option<u64>,
    until: Instant,
}

/// The proxy's fault for it.
///
/// # Errors
/// Names that Kafka does not know, and what the proxy cannot do.
pub(crate) fn proxy_fault(
    requests: &Requests,
    treatment: &Treatment,
    seed: u64,
) -> Result<Fault, (&'static str, String)> {
    let on = proxy::Requests {
        api: Some(named::<Api>("api", &requests.api)?),
        topic: requests.topic.clone(),
        partition: requests.partition,
        group: requests.group.clone(),
        pick: match requests.pick {
            RequestPick::Every => Pick::Every,
            RequestPick::Nth(nth) => Pick::Nth(nth),
            RequestPick::First(count) => Pick::First(count),
            RequestPick::Probability(share) => Pick::Probability(share),
        },
        ..proxy::Requests::default()
    };
    let mut fault = Fault::new(match treatment {
        Treatment::AnswerLost => proxy::Effect::DropAnswer {
            on,
            then: Then::Reset,
        },
        Treatment::Refused { code, moment } => proxy::Effect::Error {
            on,
            code: named::<ErrorCode>("code", code)?,
            when: match moment {
                ErrorMoment::Before => When::Before,
                ErrorMoment::After => When::After,
            },
        },
    });
    fault.seed = seed;
    match fault.validate() {
        Ok(()) => Ok(fault),
        Err(error @ FaultDataError::NoError) => Err(("code", error.to_string())),
        Err(error @ (FaultDataError::Probability(_) | FaultDataError::Zero)) => {
            Err(("pick", error.to_string()))
        }
        Err(error) => Err(("api", error.to_string())),
    }
}

/// What Kafka calls so.
fn named<T: serde::de::DeserializeOwned>(
    key: &'static str,
    name: &str,
) -> Result<T, (&'static str, String)> {
    let named = serde_json::from_value(serde_json::Value::from(name));
    named.map_err(|error| (key, error.to_string()))
}

impl Breakable for Interference {
    type Broken = Interfering;

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<Interfering> {
        let proxy = context.target.clients_proxy()?;
        let fault = proxy_fault(&self.requests, &self.treatment, context.plan.seed)
            .map_err(|(_, message)| EngineError::Broken(message))?;
        let id = if is_real(self.effect) {
            Some(proxy.add(fault).await?)
        } else {
            None
        };
        Ok(Interfering {
            id,
            wanted: match self.requests.pick {
                RequestPick::Nth(_) => Some(1),
                RequestPick::First(count) => Some(count),
                RequestPick::Every | RequestPick::Probability(_) => None,
            },
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Interfering {
    async fn hold(&mut self, context: &FaultContext<'_>, _: &mut Proof) -> Result<()> {
        let proxy = context.target.clients_proxy()?;
        while Instant::now() < self.until {
            if let (Some(id), Some(wanted)) = (self.id, self.wanted) {
                let report = proxy.fault(id).await;
                let met: u64 = report.map_or(0, |it| it.evidence.requests.values().sum());
                if met >= wanted {
                    break;
                }
            }
            pass(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let report = match self.id {
            Some(id) => context.target.clients_proxy()?.heal(id).await,
            None => None,
        };
        let seen = report.map(|report| report.evidence).unwrap_or_default();
        let met: u64 = seen.requests.values().sum();
        let each: Vec<String> = seen
            .requests
            .iter()
            .map(|(api, count)| format!("{count} {api}"))
            .collect();
        proof.add(
            "the proxy met such requests",
            met > 0 && self.wanted.is_none_or(|wanted| met >= wanted),
            format!(
                "{} requests ({}) of {} connections",
                met,
                each.join(", "),
                seen.connections
            ),
        );
        Ok(Healed::At(context.ledger.clock().now()))
    }
}
