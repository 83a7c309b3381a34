//! Brokers act on requests, and the proxy lets their answers be lost with their
//! connections.

use model::scenario::{AnswerLost, BadKey};
use proxy::{FaultEffect, OnDrop, ProxyFault};

use super::injection::{Breakable, FaultContext, Proof, Result};
use super::requests::{RequestFault, checked, proxy_requests};

impl Breakable for AnswerLost {
    type Broken = RequestFault;

    fn check(&self, seed: u64) -> Result<(), BadKey> {
        proxy_fault(self, seed).map(|_| ())
    }

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<RequestFault> {
        let fault = proxy_fault(&self, context.plan.seed);
        RequestFault::begin(fault, self.requests.pick, self.for_ms, context).await
    }
}

fn proxy_fault(lost: &AnswerLost, seed: u64) -> Result<ProxyFault, BadKey> {
    let on = proxy_requests(&lost.requests)?;
    let then = OnDrop::Reset;
    checked(FaultEffect::DropAnswer { on, then }, seed)
}
