//! Errors of transforms. Knows nothing of the rest of a scenario but the names in it.

use super::{PathStep, Problem};
use crate::record::OVERHEAD_BYTES_MAX;
use crate::scenario::{CommitWhen, Scenario, Transactions};

/// Fails with the first thing that cannot be.
pub(super) fn validate(
    scenario: &Scenario,
    not_written: impl Fn(&str) -> Option<String>,
) -> Result<(), Problem> {
    for (at, transform) in scenario.transforms.iter().enumerate() {
        let fail = |key: &'static str, message: String| {
            let path = ["transform".into(), at.into(), PathStep::from(key)];
            Err(Problem::new(path, message))
        };
        for (key, topic) in [("from", &transform.from), ("to", &transform.to)] {
            scenario.check_topic(topic).or_else(|why| fail(key, why))?;
        }
        if let Some(message) = not_written(&transform.to) {
            return fail("to", message);
        }
        let earlier = scenario.transforms.iter().take(at);
        let names = earlier.map(|other| &other.name);
        let mut names = names.chain(scenario.groups.iter().map(|group| &group.name));
        if names.any(|name| *name == transform.name) {
            return fail(
                "name",
                format!("group `{}` is defined twice", transform.name),
            );
        }
        let trusts_flush = transform.commit_when == CommitWhen::Flushed;
        if trusts_flush && transform.transactions == Transactions::On {
            let message = "a transaction commits the position: `commit_when` goes with \
                           `transactions = false`";
            return fail("commit_when", message.to_owned());
        }
        // Each is waited for before the next is: its input is complete then.
        let mut later = scenario.transforms.iter().skip(at);
        if later.any(|other| other.to == transform.from) {
            let message = format!(
                "`{}` is written by this or a later [[transform]]: one that reads it comes behind",
                transform.from
            );
            return fail("from", message);
        }
        let least = OVERHEAD_BYTES_MAX + transform.to.len();
        if (transform.record_bytes as usize) < least || transform.record_bytes > 900_000 {
            let message = format!(
                "a record that carries its identity has {least} to 900000 bytes here, not {}",
                transform.record_bytes
            );
            return fail("record_bytes", message);
        }
    }
    Ok(())
}
