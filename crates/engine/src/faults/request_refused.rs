//! The proxy answers requests with an error.

use model::scenario::{BadKey, ErrorMoment, RequestRefused};
use proxy::{Effect, Fault, When};

use super::injection::{Breakable, FaultContext, Proof, Result};
use super::requests::{Interfering, checked, named, of_proxy};

impl Breakable for RequestRefused {
    type Broken = Interfering;

    fn check(&self, seed: u64) -> Result<(), BadKey> {
        proxy_fault(self, seed).map(|_| ())
    }

    async fn inject(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<Interfering> {
        let fault = proxy_fault(&self, context.plan.seed);
        Interfering::begin(fault, self.requests.pick, self.for_ms, context).await
    }
}

fn proxy_fault(refused: &RequestRefused, seed: u64) -> Result<Fault, BadKey> {
    let effect = Effect::Error {
        on: of_proxy(&refused.requests)?,
        code: named("code", &refused.code)?,
        when: match refused.moment {
            ErrorMoment::Before => When::Before,
            ErrorMoment::After => When::After,
        },
    };
    checked(effect, seed)
}
