//! The proxy resets the connections of requests, and delivers these later.

use model::scenario::{BadKey, RequestLate};
use proxy::{FaultEffect, ProxyFault};

use super::injection::{Breakable, FaultContext, Proof, Result};
use super::requests::{RequestFault, checked, proxy_requests};

impl Breakable for RequestLate {
    type Broken = RequestFault;

    fn check(&self, seed: u64) -> Result<(), BadKey> {
        proxy_fault(self, seed).map(|_| ())
    }

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<RequestFault> {
        let fault = proxy_fault(&self, context.plan.seed);
        RequestFault::begin(fault, self.requests.pick, self.for_ms, context).await
    }
}

fn proxy_fault(late: &RequestLate, seed: u64) -> Result<ProxyFault, BadKey> {
    let on = proxy_requests(&late.requests)?;
    let delay_ms = late.late_ms;
    checked(FaultEffect::Late { on, delay_ms }, seed)
}
