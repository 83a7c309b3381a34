//! Brokers lose their power: they are killed, and their logs are cut back to what
//! was forced to disk.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use model::ids::TopicName;
use model::scenario::PowerLoss;
use stack::broker::LocalBroker;
use stack::broker::power_loss::CutLog;
use tokio::time::Instant;
use wire::{ConfigValue, ErrorCode, WireError};

use super::broker::{picked, prove_gone, prove_silent, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::connect::connect;
use crate::wait::pass_until;

/// Logs that the evidence names of each broker, those that lost most.
const NAMED_MAX: usize = 5;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

pub(super) struct Dark {
    brokers: Vec<Arc<LocalBroker>>,
    until: Instant,
}

impl Breakable for PowerLoss {
    type Broken = Dark;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Dark> {
        let brokers = picked(context, &self.broker, proof).await?;
        let forced = forced_topics(context, &brokers).await?;
        let before = brokers.iter().map(|it| it.service().snapshot());
        let before = before.collect::<std::result::Result<Vec<_>, _>>()?;
        if context.effect.is_real() {
            // All at once: none is to tell another of its end.
            try_join_all(brokers.iter().map(|it| it.service().kill())).await?;
        }
        for (broker, before) in brokers.iter().zip(before) {
            prove_gone(proof, &[before]);
            if context.effect.is_real() {
                let cut = broker.cut_unforced(&forced)?;
                proof.add(
                    "its logs end where they were forced to disk",
                    cut.iter()
                        .any(|it| it.is_forced || it.end_after < it.end_before),
                    format!("broker {}: {}", broker.id(), words(cut)),
                );
            }
        }
        Ok(Dark {
            brokers,
            until: Instant::now() + Duration::from_millis(self.down_ms),
        })
    }
}

impl Broken for Dark {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            prove_silent("the broker's port does not answer", broker, proof).await;
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if !context.effect.is_real() {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        start_again(&self.brokers, context, proof).await
    }
}

/// The topics of which every append is forced to disk before it is answered.
async fn forced_topics(
    context: &FaultContext<'_>,
    brokers: &[Arc<LocalBroker>],
) -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for broker in brokers {
        held.extend(broker.held_topics()?);
    }
    let mut cluster = connect(&context.target.direct()).await?;
    let mut forced = BTreeSet::new();
    for topic in held {
        let name = TopicName::new(topic.as_str());
        let configs = match cluster.describe_topic_configs(&name).await {
            // It is being deleted.
            Err(error) if is_unknown_topic(&error) => continue,
            answered => answered?,
        };
        let flush = configs.get("flush.messages").map(|entry| &entry.value);
        if matches!(flush, Some(ConfigValue::Known(messages)) if messages == "1") {
            forced.insert(topic);
        }
    }
    Ok(forced)
}

fn is_unknown_topic(error: &WireError) -> bool {
    error.code().map(ErrorCode::get) == Some(UNKNOWN_TOPIC_OR_PARTITION)
}

/// What of a broker's logs is gone.
fn words(mut logs: Vec<CutLog>) -> String {
    let forced = logs.iter().filter(|log| log.is_forced).count();
    let all = logs.len();
    logs.retain(|log| log.end_after < log.end_before);
    logs.sort_by_key(|log| std::cmp::Reverse(log.bytes_before - log.bytes_after));
    let mut words = format!("{} of {all} logs cut", logs.len());
    if forced > 0 {
        // Writing to a String cannot fail.
        let _ = write!(
            words,
            ", {forced} with every append forced (flush.messages=1)"
        );
    }
    for log in logs.iter().take(NAMED_MAX) {
        let _ = write!(
            words,
            "; {} from offset {} back to {} ({} to {} bytes)",
            log.partition, log.end_before, log.end_after, log.bytes_before, log.bytes_after
        );
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_that_lost_most_are_named() {
        let log = |name: &str, bytes_before, end_before, end_after| CutLog {
            partition: name.to_owned(),
            is_forced: end_after == end_before,
            bytes_before,
            bytes_after: 10,
            end_before,
            end_after,
        };
        let logs = vec![
            log("a-0", 30, 3, 1),
            log("b-0", 10, 1, 1),
            log("c-0", 90, 9, 0),
        ];
        assert_eq!(
            words(logs),
            "2 of 3 logs cut, 1 with every append forced (flush.messages=1); c-0 from offset 9 \
             back to 0 (90 to 10 bytes); a-0 from offset 3 back to 1 (30 to 10 bytes)"
        );
    }
}
