//! What can be wrong with what a scenario says of clients, beyond their names.
//! Knows nothing of what they are configured with.

use super::{PathStep, Problem};
use crate::scenario::Scenario;

/// Fails with the first thing that cannot be.
pub(super) fn validate(scenario: &Scenario) -> Result<(), Problem> {
    if scenario
        .about_client
        .as_ref()
        .is_some_and(|it| it.trim().is_empty())
    {
        let message = "`about_client` says why the scenario is about its clients".to_owned();
        return Err(Problem::new(["about_client".into()], message));
    }
    for (at, expectation) in scenario.expectations.iter().enumerate() {
        let fail = |key: &'static str, message: String| {
            let path = ["expect".into(), at.into(), PathStep::from(key)];
            Err(Problem::new(path, message))
        };
        let claim = expectation.claim;
        if !scenario.guarantees.iter().any(|it| it.claim == claim) {
            return fail(
                "claim",
                format!("`{claim}` is not claimed: add a [[guarantee]]"),
            );
        }
        let mut earlier = scenario.expectations.iter().take(at);
        if earlier.any(|it| (it.client, it.claim) == (expectation.client, claim)) {
            let message = format!("`{claim}` is expected twice of {}", expectation.client);
            return fail("claim", message);
        }
        if expectation.source.trim().is_empty() {
            return fail(
                "source",
                "an expectation of a client has a source".to_owned(),
            );
        }
    }
    Ok(())
}
