//! The proxy answers requests with an error.

use model::scenario::{BadKey, ErrorMoment, RequestRefused};
use proxy::{FaultEffect, ProxyFault, When};

use super::injection::{Breakable, FaultContext, Proof, Result};
use super::requests::{RequestFault, checked, named, proxy_requests};

impl Breakable for RequestRefused {
    type Broken = RequestFault;

    fn check(&self, seed: u64) -> Result<(), BadKey> {
        proxy_fault(self, seed).map(|_| ())
    }

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<RequestFault> {
        let fault = proxy_fault(&self, context.plan.seed);
        RequestFault::begin(fault, self.requests.pick, self.for_ms, context).await
    }
}

fn proxy_fault(refused: &RequestRefused, seed: u64) -> Result<ProxyFault, BadKey> {
    let effect = FaultEffect::Error {
        on: proxy_requests(&refused.requests)?,
        code: named("code", &refused.code)?,
        when: match refused.moment {
            ErrorMoment::Before => When::Before,
            ErrorMoment::After => When::After,
        },
    };
    checked(effect, seed)
}
