//! What faults of single requests have in common: the proxy that clients go
//! through meets them.

use std::time::Duration;

use model::scenario::{BadKey, RequestPick, Requests};
use proxy::{FaultDataError, FaultId, Pick, ProxyFault, RequestApi};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::injection::{Broken, FaultContext, Healed, Proof, Result};
use super::network::{begin, end};
use crate::error::EngineError;
use crate::wait::pass;

const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A request fault of the proxy's that is in force.
pub(super) struct RequestFault {
    id: Option<FaultId>,
    /// How many requests there are to meet, where that is known.
    wanted: Option<u64>,
    until: Instant,
}

/// The requests, as the proxy picks them.
///
/// # Errors
/// Names that Kafka does not know.
pub(super) fn proxy_requests(requests: &Requests) -> Result<proxy::RequestFilter, BadKey> {
    Ok(proxy::RequestFilter {
        api: Some(named::<RequestApi>("api", &requests.api)?),
        topic: requests.topic.clone(),
        partition: requests.partition,
        group: requests.group.clone(),
        pick: match requests.pick {
            RequestPick::Every => Pick::Every,
            RequestPick::Nth(nth) => Pick::Nth(nth),
            RequestPick::First(count) => Pick::First(count),
            RequestPick::Probability(share) => Pick::Probability(share),
        },
        ..proxy::RequestFilter::default()
    })
}

/// The proxy's fault of that effect.
///
/// # Errors
/// What the proxy cannot do.
pub(super) fn checked(effect: proxy::FaultEffect, seed: u64) -> Result<ProxyFault, BadKey> {
    let mut fault = ProxyFault::new(effect);
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
pub(super) fn named<T: DeserializeOwned>(key: &'static str, name: &str) -> Result<T, BadKey> {
    let named = serde_json::from_value(serde_json::Value::from(name));
    named.map_err(|error| (key, error.to_string()))
}

impl RequestFault {
    /// Has the proxy meet requests from now on.
    pub(super) async fn begin(
        fault: Result<ProxyFault, BadKey>,
        pick: RequestPick,
        for_ms: u64,
        context: &FaultContext<'_>,
    ) -> Result<Self> {
        let fault = fault.map_err(|(_, message)| EngineError::Broken(message))?;
        Ok(Self {
            id: begin(context, fault).await?,
            wanted: match pick {
                RequestPick::Nth(_) => Some(1),
                RequestPick::First(count) => Some(count),
                RequestPick::Every | RequestPick::Probability(_) => None,
            },
            until: Instant::now() + Duration::from_millis(for_ms),
        })
    }
}

impl Broken for RequestFault {
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
        let seen = end(context, self.id).await?;
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
        Ok(Healed::At(context.recorder.clock().now()))
    }
}
